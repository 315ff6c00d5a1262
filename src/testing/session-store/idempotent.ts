import { expect } from "vitest";
import { contents, day, message, promise, referenceTo, type StorePromise } from "./fixture.ts";

/** The same message id again updates and never doubles. */
export const idempotent: readonly StorePromise[] = [
  promise("the same id again updates in place: it keeps its place and creation time", async (fixture) => {
    const [before] = await fixture.add("c", [message("a", "old", { createdAt: day(1) }), message("b", "next", { createdAt: day(2) })]);
    const changes = { role: "assistant", name: "Ann", metadataJson: '{"new":true}', createdAt: day(3) };
    const [after] = await fixture.add("c", [message("a", "new", changes)]);
    const expected = {
      ...before,
      content: "new",
      parts: [{ type: "text", text: "new" }],
      role: "assistant",
      name: "Ann",
      metadata: { new: true },
    };
    expect(after).toEqual(expected);
    await fixture.eventually(async () => {
      const { items } = await fixture.list("c");
      expect(contents(items)).toEqual(["new", "next"]);
      expect(items[0]).toEqual(expected);
    });
  }),

  promise("an update keeps the importance when none is given, and takes the one that is", async (fixture) => {
    const importance = async (given: number | null, text: string) => {
      const [stored] = await fixture.add("c", [message("a", text, { importance: given })]);
      return fixture.eventually(async () => {
        const [found] = await fixture.store.getMessages(fixture.scope(), [referenceTo(stored!)]);
        expect(found?.message.content).toBe(text);
        return found?.importance;
      });
    };
    expect(await importance(0.5, "one")).toBe(0.5);
    expect(await importance(null, "two")).toBe(0.5);
    expect(await importance(0.25, "three")).toBe(0.25);
  }),

  promise("a batch of known and new messages leaves the known ones in their places", async (fixture) => {
    await fixture.add("c", [message("a", "1"), message("b", "2")]);
    await fixture.add("c", [message("c", "3"), message("a", "1 again"), message("d", "4"), message("b", "2 again")]);
    await fixture.eventually(async () => expect(contents((await fixture.list("c")).items)).toEqual(["1 again", "2 again", "3", "4"]));
  }),

  promise("the same request again stores nothing twice", async (fixture) => {
    const request = fixture.request("c", [message("a", "1"), message("b", "2")]);
    const [first] = await fixture.store.append([request]);
    const [second] = await fixture.store.append([request]);
    expect(second).toEqual(first);
    await fixture.eventually(async () => expect(await fixture.seqs("c")).toHaveLength(2));
  }),

  promise("two requests of one call with the same id make one message: the later version, in the first one's place", async (fixture) => {
    await fixture.add("c", [message("before", "before")]);
    const answers = await fixture.store.append([
      fixture.request("c", [message("a", "first"), message("b", "between")]),
      fixture.request("c", [message("a", "second")]),
    ]);
    expect(answers[1]?.[0]?.seq).toBe(answers[0]?.[0]?.seq);
    await fixture.eventually(async () => expect(contents((await fixture.list("c")).items)).toEqual(["before", "second", "between"]));
  }),

  promise("16 writers of the same id at once make one message", async (fixture) => {
    const answers = await Promise.all(Array.from({ length: 16 }, (_, index) => fixture.add("c", [message("a", `${index}`)])));
    expect(new Set(answers.map(([one]) => one?.seq)).size).toBe(1);
    await fixture.eventually(async () => expect(await fixture.seqs("c")).toHaveLength(1));
  }),

  promise("the same id in another conversation is another message", async (fixture) => {
    await fixture.add("c", [message("a", "here")]);
    await fixture.add("d", [message("a", "there")]);
    await fixture.eventually(async () => {
      expect((await fixture.store.getMessage(fixture.scope(), "c", "a"))?.content).toBe("here");
      expect((await fixture.store.getMessage(fixture.scope(), "d", "a"))?.content).toBe("there");
    });
  }),
];
