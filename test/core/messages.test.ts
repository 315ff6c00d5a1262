import fc from "fast-check";
import { expect, test } from "vitest";
import type { ListMessagesOptions, Message, MessageInputObject, ScopedMemory } from "../../src/index.ts";
import { describeEngines, newId } from "../support/engines.ts";

/** Pages from the newest to the oldest, put together oldest first. */
async function allPages(
  mine: ScopedMemory,
  id: string,
  options: ListMessagesOptions,
  between?: () => Promise<unknown>,
): Promise<Message[][]> {
  const pages: Message[][] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await mine.messages.list(id, { ...options, cursor });
    pages.unshift([...page.items]);
    cursor = page.nextCursor;
    if (cursor === undefined) return pages;
    if (pages.length > 200) throw new Error("the pages do not end");
    await between?.();
  }
}

const call = (...ids: string[]): MessageInputObject => ({
  role: "assistant",
  content: [{ type: "text", text: "I call" }, ...ids.map((id) => ({ type: "tool-call", toolCallId: id, toolName: "t", input: {} }))],
});
const result = (...ids: string[]): MessageInputObject => ({
  role: "tool",
  content: ids.map((id) => ({ type: "tool-result", toolCallId: id, toolName: "t", output: { type: "text", value: "r" } })),
});

/** Pairs (call, result) of places in the conversation, by a plain walk from old to new. */
function pairsOf(inputs: readonly MessageInputObject[]): [number, number][] {
  const open = new Map<string, number>();
  const pairs: [number, number][] = [];
  inputs.forEach((input, index) => {
    for (const part of input.content as { type: string; toolCallId?: string }[]) {
      if (part.type === "tool-call") open.set(part.toolCallId ?? "", index);
      if (part.type === "tool-result" && open.has(part.toolCallId ?? "")) {
        const called = open.get(part.toolCallId ?? "");
        if (called !== undefined && called !== index) pairs.push([called, index]);
        open.delete(part.toolCallId ?? "");
      }
    }
  });
  return pairs;
}

const contents = (messages: readonly Message[]) => messages.map((message) => message.content);

describeEngines("messages", (engine) => {
  const memory = engine.memory({ embedding: false, worker: "manual" });
  const someone = () => ({ mine: memory.scope({ userId: newId("user") }), id: newId("conversation") });

  async function numbered(count: number) {
    const { mine, id } = someone();
    await mine.addMessages(
      id,
      Array.from({ length: count }, (_, index) => ({
        id: `m${index}`,
        role: index % 2 === 0 ? "user" : "assistant",
        content: `${index}`,
        createdAt: Date.UTC(2024, 0, index + 1),
      })),
    );
    return { mine, id };
  }

  test("limit means the newest N, oldest first; 100 unless told otherwise", async () => {
    const { mine, id } = await numbered(120);
    expect(contents((await mine.messages.list(id, { limit: 3 })).items)).toEqual(["117", "118", "119"]);
    expect((await mine.messages.list(id)).items).toHaveLength(100);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 10, 11])("pages of %i cover all exactly once while messages arrive", async (limit) => {
    const { mine, id } = await numbered(11);
    const pages = await allPages(mine, id, { limit }, () => mine.addMessages(id, "newer"));
    expect(contents(pages.flat())).toEqual(Array.from({ length: 11 }, (_, index) => `${index}`));
    expect(pages.slice(1).every((page) => page.length === limit)).toBe(true);
    expect(pages[0]?.length).toBeGreaterThan(0);
  });

  test("bounds by place and by time leave out the bound itself, and go with cursors", async () => {
    const { mine, id } = await numbered(10);
    const between = async (options: ListMessagesOptions) => contents((await allPages(mine, id, { limit: 2, ...options })).flat());
    expect(await between({ beforeSeq: 4 })).toEqual(["0", "1", "2"]);
    expect(await between({ afterSeq: 8 })).toEqual(["8", "9"]);
    expect(await between({ afterSeq: 2, beforeSeq: 8 })).toEqual(["2", "3", "4", "5", "6"]);
    expect(await between({ before: "2024-01-04" })).toEqual(["0", "1", "2"]);
    expect(await between({ after: new Date(Date.UTC(2024, 0, 8)) })).toEqual(["8", "9"]);
    expect(await between({ after: Date.UTC(2024, 0, 3), before: Date.UTC(2024, 0, 6) })).toEqual(["3", "4"]);
    expect(await between({ roles: ["assistant"], afterSeq: 3 })).toEqual(["3", "5", "7", "9"]);
    expect(await between({ roles: [] })).toEqual([]);
  });

  test("wrong bounds are refused by name", async () => {
    const { mine, id } = await numbered(1);
    const refused = (options: unknown, field: string) =>
      expect(mine.messages.list(id, options as ListMessagesOptions)).rejects.toMatchObject({ code: "invalid_argument", field });
    await refused({ cursor: "x" }, "cursor");
    await refused({ limit: 0 }, "limit");
    await refused({ limit: 10_001 }, "limit");
    await refused({ before: "never" }, "before");
    await refused({ beforeSeq: 1.5 }, "beforeSeq");
    await refused({ afterSeq: Number.NaN }, "afterSeq");
    await refused({ beforeSeq: "1; drop" }, "beforeSeq");
    await refused({ roles: "user" }, "roles");
  });

  test("update keeps id, place, role and time, and what it does not name", async () => {
    const { mine, id } = someone();
    const [before] = await mine.addMessages(id, [{ id: "m", role: "assistant", name: "Ann", content: "old", metadata: { a: 1 } }, "next"]);
    expect(await mine.messages.update(id, "m", { content: "new" })).toEqual({
      ...before,
      content: "new",
      parts: [{ type: "text", text: "new" }],
    });
    expect(await mine.messages.update(id, "m", { metadata: { b: 1 } })).toMatchObject({ content: "new", metadata: { b: 1 }, name: "Ann" });
    const parts = [
      { type: "text", text: "parts" },
      { type: "data-x", data: new Uint8Array([1]) },
    ];
    expect(await mine.messages.update(id, "m", { parts })).toMatchObject({ content: "parts", parts, seq: 1, role: "assistant" });
    expect((await mine.messages.list(id)).items).toHaveLength(2);
    await expect(mine.messages.update(id, "other", { content: "x" })).rejects.toMatchObject({ code: "not_found" });
  });

  test("delete and clear say how many were there, and places are never given again", async () => {
    const { mine, id } = await numbered(5);
    expect(await mine.messages.delete(id, ["m1", "m3", "m9"])).toBe(2);
    expect(await mine.messages.delete(id, "m1")).toBe(0);
    expect(await mine.messages.delete(id, [])).toBe(0);
    expect(contents((await mine.messages.list(id)).items)).toEqual(["0", "2", "4"]);
    expect(await mine.messages.clear(id)).toBe(3);
    expect((await mine.messages.list(id)).items).toEqual([]);
    expect((await mine.addMessages(id, "again"))[0]?.seq).toBe(6);
  });

  test("an unknown conversation is not found, an empty one is empty", async () => {
    const { mine, id } = someone();
    await expect(mine.messages.list(id)).rejects.toMatchObject({ code: "not_found", kind: "conversation", id });
    await mine.conversations.create({ id });
    expect(await mine.messages.list(id)).toEqual({ items: [], nextCursor: undefined });
  });

  test("a result brings its call, parallel calls and their results stay together", async () => {
    const { mine, id } = someone();
    await mine.addMessages(id, ["ask", call("a", "b"), result("a"), result("b"), "thanks"]);
    for (const limit of [2, 3, 4]) expect((await mine.messages.list(id, { limit })).items).toHaveLength(4);
    expect((await mine.messages.list(id, { limit: 1 })).items).toHaveLength(1);
    expect((await mine.messages.list(id, { limit: 1, beforeSeq: 3 })).items.map((item) => item.seq)).toEqual([2, 3, 4]);
  });

  test("a call far behind its result is found", async () => {
    const { mine, id } = someone();
    await mine.addMessages(id, [call("a"), ...Array.from({ length: 30 }, (_, index) => `${index}`), result("a")]);
    const pages = await allPages(mine, id, { limit: 2 });
    expect(pages.flat().map((item) => item.seq)).toEqual(Array.from({ length: 32 }, (_, index) => index + 1));
  });

  test("filters by role and time keep exchanges whole too", async () => {
    const { mine, id } = someone();
    const at = (day: number, input: MessageInputObject) => ({ ...input, createdAt: Date.UTC(2024, 0, day) });
    await mine.addMessages(id, [at(1, { content: "ask" }), at(2, call("a")), at(3, result("a")), at(4, { content: "end" })]);
    const seqs = async (options: ListMessagesOptions) => (await mine.messages.list(id, options)).items.map((item) => item.seq);
    expect(await seqs({ roles: ["tool"] })).toEqual([2, 3]);
    expect(await seqs({ roles: ["assistant"] })).toEqual([2, 3]);
    expect(await seqs({ roles: ["user"] })).toEqual([1, 4]);
    expect(await seqs({ after: Date.UTC(2024, 0, 2) })).toEqual([2, 3, 4]);
    expect(await seqs({ before: Date.UTC(2024, 0, 3) })).toEqual([1, 2, 3]);
    expect(await seqs({ afterSeq: 2 })).toEqual([2, 3, 4]);
  });

  test("calls whose results come after several calls to list stay open without harm", async () => {
    const { mine, id } = someone();
    await mine.addMessages(id, ["ask", call("a")]);
    expect((await mine.messages.list(id, { limit: 1 })).items).toHaveLength(1);
    await mine.addMessages(id, result("lost"));
    expect((await mine.messages.list(id, { limit: 1 })).items).toHaveLength(1);
    await mine.addMessages(id, result("a"));
    expect((await mine.messages.list(id, { limit: 1 })).items.map((item) => item.seq)).toEqual([2, 3, 4]);
  });

  test("UIMessages and Anthropic blocks close windows as well", async () => {
    const { mine, id } = someone();
    await mine.addMessages(id, [
      { role: "assistant", parts: [{ type: "tool-x", toolCallId: "u", state: "output-available", input: {}, output: 1 }] },
      { role: "assistant", content: [{ type: "tool_use", id: "t", name: "x", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "r" }] },
    ]);
    expect((await mine.messages.list(id, { limit: 1 })).items.map((item) => item.seq)).toEqual([2, 3]);
  });

  test("a message that answers one call and makes another holds both sides together", async () => {
    const { mine, id } = someone();
    const both = { role: "assistant", content: [...(result("a").content as unknown[]), ...(call("b").content as unknown[])] };
    await mine.addMessages(id, ["ask", call("a"), both, result("b"), "end"]);
    expect((await mine.messages.list(id, { limit: 2 })).items.map((item) => item.seq)).toEqual([2, 3, 4, 5]);
  });

  test("pages of one role skip nothing when a far call is pulled in", async () => {
    const { mine, id } = someone();
    await mine.addMessages(id, [call("a"), ...Array.from({ length: 10 }, () => result("lost")), result("a")]);
    const pages = await allPages(mine, id, { limit: 1, roles: ["tool"] });
    expect(pages.flat().map((item) => item.seq)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
  });

  test("calls of one role that reuse an id each bring their result", async () => {
    const { mine, id } = someone();
    await mine.addMessages(id, [call("a"), result("a"), call("a"), result("a")]);
    expect((await mine.messages.list(id, { roles: ["assistant"] })).items).toHaveLength(4);
    expect((await mine.messages.list(id, { roles: ["tool"] })).items).toHaveLength(4);
  });

  const turn = fc.oneof(
    { weight: 3, arbitrary: fc.constant<MessageInputObject>({ role: "user", content: [{ type: "text", text: "hi" }] }) },
    { weight: 3, arbitrary: fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 }).map((ids) => call(...ids)) },
    {
      weight: 1,
      arbitrary: fc.constant<MessageInputObject>({
        role: "assistant",
        content: [...(result("a").content as unknown[]), ...(call("b").content as unknown[])],
      }),
    },
    { weight: 4, arbitrary: fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 2 }).map((ids) => result(...ids)) },
  );
  test("no page separates a call from its result, and pages cover all, for any conversation and limit", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 14 }), async (turns) => {
        const { mine, id } = someone();
        await mine.addMessages(id, turns);
        const pairs = pairsOf(turns).map(([called, answered]) => [called + 1, answered + 1]);
        for (let limit = 1; limit <= turns.length; limit++) {
          const pages = await allPages(mine, id, { limit });
          const seqs = pages.map((page) => page.map((item) => item.seq));
          expect(seqs.flat().sort((left, right) => left - right)).toEqual(turns.map((_, index) => index + 1));
          for (const page of seqs)
            for (const [called, answered] of pairs) expect(page.includes(called ?? 0)).toBe(page.includes(answered ?? 0));
          for (const page of seqs.slice(1)) expect(page.length).toBeGreaterThanOrEqual(limit);
        }
      }),
      { numRuns: engine.name === "embedded" ? 30 : 60 },
    );
  });
});
