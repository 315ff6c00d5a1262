import { expect } from "vitest";
import { contents, day, type Fixture, message, messagePages, numbered, promise, referenceTo, type StorePromise } from "./fixture.ts";

/** Ten messages in a conversation, and what of them a query gives, over all its pages. */
async function tenMessages(fixture: Fixture) {
  const seqs = (await fixture.add("c", numbered(10))).map((one) => one.seq);
  await fixture.eventually(async () => expect(await fixture.seqs("c")).toEqual(seqs));
  return {
    seq: (index: number) => seqs[index] as number,
    given: async (query: Parameters<Fixture["list"]>[1]) => contents((await messagePages(fixture, "c", { limit: 2, ...query })).flat()),
  };
}

/** What holds of messages in every store. */
export const messages: readonly StorePromise[] = [
  promise("a limit gives the newest so many, oldest first", async (fixture) => {
    await tenMessages(fixture);
    expect(contents((await fixture.list("c", { limit: 3 })).items)).toEqual(["7", "8", "9"]);
    expect(await fixture.list("c", { limit: 10 })).toMatchObject({ nextCursor: undefined });
    expect((await fixture.list("c", { limit: 1 })).nextCursor).toBeTypeOf("string");
  }),

  promise("bounds by place leave out the bound itself", async (fixture) => {
    const { seq, given } = await tenMessages(fixture);
    expect(await given({ beforeSeq: seq(3) })).toEqual(["0", "1", "2"]);
    expect(await given({ afterSeq: seq(7) })).toEqual(["8", "9"]);
    expect(await given({ afterSeq: seq(1), beforeSeq: seq(7) })).toEqual(["2", "3", "4", "5", "6"]);
    expect(await given({ afterSeq: seq(9) })).toEqual([]);
    expect(await given({ beforeSeq: -5 })).toEqual([]);
    expect(await given({ afterSeq: Number.MAX_SAFE_INTEGER })).toEqual([]);
    expect(await given({ afterSeq: Number.MIN_SAFE_INTEGER, beforeSeq: seq(1) })).toEqual(["0"]);
  }),

  promise("bounds by time leave out the bound itself", async (fixture) => {
    const { given } = await tenMessages(fixture);
    expect(await given({ before: day(4) })).toEqual(["0", "1", "2"]);
    expect(await given({ after: day(8) })).toEqual(["8", "9"]);
    expect(await given({ after: day(3), before: day(6) })).toEqual(["3", "4"]);
    expect(await given({ before: new Date(day(4).getTime() + 1) })).toEqual(["0", "1", "2", "3"]);
  }),

  promise("roles choose messages, also together with bounds; no role matches an empty list", async (fixture) => {
    const { seq, given } = await tenMessages(fixture);
    expect(await given({ roles: ["user"] })).toEqual(["0", "2", "4", "6", "8"]);
    expect(await given({ roles: ["assistant"], afterSeq: seq(2) })).toEqual(["3", "5", "7", "9"]);
    expect(await given({ roles: ["user", "assistant"], before: day(3) })).toEqual(["0", "1"]);
    expect(await given({ roles: ["nobody"] })).toEqual([]);
    expect(await given({ roles: [] })).toEqual([]);
  }),

  promise("roles are any text", async (fixture) => {
    for (const role of ["data", "a:b", "a%", 'q"', "日本"]) await fixture.add("c", [message(role, role, { role })]);
    await fixture.eventually(async () => {
      for (const role of ["data", "a:b", "a%", 'q"', "日本"])
        expect(contents((await fixture.list("c", { roles: [role] })).items)).toEqual([role]);
    });
  }),

  promise("getMessages takes references in any order, and leaves out what is gone or not the scope's", async (fixture) => {
    const [a, b] = await fixture.add("c", [
      message("a", "1", { importance: 0.5 }),
      message("b", "2", { toolIds: ["call:x"], type: "tool-call" }),
    ]);
    const [mine] = await fixture.add("d", [message("a", "3")], { create: { ...create, resourceId: "bot" } });
    const [theirs] = await fixture.add("e", [message("a", "4")], { userId: "other" });
    const references = [theirs!, mine!, b!, a!].map(referenceTo);
    references.push({ userId: "user", conversationId: "c", messageId: "gone" }, { userId: "other", conversationId: "c", messageId: "a" });
    references.push(referenceTo(a!));
    const found = async (userId: string | undefined, resourceId?: string) => {
      const scope = { tenant: fixture.tenant, userId, resourceId };
      return (await fixture.store.getMessages(scope, references)).toSorted((left, right) =>
        left.message.content < right.message.content ? -1 : 1,
      );
    };
    await fixture.eventually(async () => {
      const stored = await found("user");
      expect(stored.map((one) => one.message)).toEqual([a, b, mine]);
      expect(stored.map((one) => one.importance)).toEqual([0.5, null, null]);
      expect(stored.map((one) => one.resourceId)).toEqual(["default", "default", "bot"]);
      expect(stored.map((one) => one.toolIds)).toEqual([null, ["call:x"], null]);
    });
    expect((await found("user", "bot")).map((one) => one.message.content)).toEqual(["3"]);
    expect((await found(undefined)).map((one) => one.message.content)).toEqual(["1", "2", "3", "4"]);
    expect(await found("nobody")).toEqual([]);
  }),

  promise("getMessages takes a thousand references in one call", async (fixture) => {
    const stored = await fixture.add(
      "c",
      Array.from({ length: 1_000 }, (_, index) => message(`m${index}`, `${index}`)),
    );
    await fixture.eventually(async () =>
      expect(await fixture.store.getMessages(fixture.scope(), stored.map(referenceTo))).toHaveLength(1_000),
    );
  }),

  promise("an export is narrowed to the resource of the scope, and tells the resource", async (fixture) => {
    await fixture.add("a", [message("m", "1")], { create: { ...create, resourceId: "bot" } });
    await fixture.add("b", [message("m", "2")]);
    await fixture.eventually(async () => {
      expect(await fixture.exported(fixture.scope("user", "bot"))).toMatchObject([{ message: { content: "1" }, resourceId: "bot" }]);
      expect((await fixture.exported(fixture.scope())).map((row) => row.resourceId)).toEqual(["bot", "default"]);
    });
  }),
];

const create = { resourceId: "default", title: "", metadataJson: "{}", language: undefined };
