import { expect } from "vitest";
import { contents, message, pause, promise, type StorePromise } from "./fixture.ts";

/** A batch lands whole or not at all. */
export const atomic: readonly StorePromise[] = [
  promise("a request to a conversation of another user answers undefined and stores nothing; the others land", async (fixture) => {
    await fixture.add("theirs", [message("a", "theirs")], { userId: "other" });
    const answers = await fixture.store.append([
      fixture.request("mine", [message("a", "mine"), message("b", "mine too")]),
      fixture.request("theirs", [message("a", "not mine"), message("b", "not mine")]),
      fixture.request("also mine", [message("a", "also mine")]),
    ]);
    expect(answers.map((answer) => answer?.length)).toEqual([2, undefined, 1]);
    await fixture.eventually(async () => {
      expect(contents((await fixture.list("mine")).items)).toEqual(["mine", "mine too"]);
      expect(contents((await fixture.list("also mine")).items)).toEqual(["also mine"]);
      expect(contents((await fixture.list("theirs", {}, fixture.scope("other"))).items)).toEqual(["theirs"]);
      expect((await fixture.exported(fixture.scope())).map((row) => row.message.conversationId)).not.toContain("theirs");
    });
  }),

  promise("without leave to create, an unknown conversation answers undefined and is not made", async (fixture) => {
    const request = fixture.request("unknown", [message("a", "x")], { createConversation: false });
    expect(await fixture.store.append([request, fixture.request("known", [message("a", "y")])])).toMatchObject([undefined, [{ id: "a" }]]);
    await fixture.eventually(async () => expect(await fixture.conversations()).toEqual(["known"]));
    expect(await fixture.store.listMessages(fixture.scope(), "unknown", listAll)).toBeUndefined();
    await fixture.add("known", [message("b", "z")], { createConversation: false });
    await fixture.eventually(async () => expect(contents((await fixture.list("known")).items)).toEqual(["y", "z"]));
  }),

  promise("a conversation of another resource than required is not found; one of the required resource is", async (fixture) => {
    await fixture.add("c", [message("a", "bot's")], { create: { ...create, resourceId: "bot" } });
    const required = (requiredResourceId: string, id: string) => fixture.request("c", [message(id, id)], { requiredResourceId });
    expect(await fixture.store.append([required("other", "b")])).toEqual([undefined]);
    expect((await fixture.store.append([required("bot", "c")]))[0]).toHaveLength(1);
    await fixture.eventually(async () => expect(contents((await fixture.list("c")).items)).toEqual(["bot's", "c"]));
  }),

  promise("a call with requests to 64 conversations lands whole", async (fixture) => {
    const requests = Array.from({ length: 64 }, (_, index) =>
      fixture.request(`c${index}`, [message("a", `${index}`), message("b", `${index} b`), message("c", `${index} c`)]),
    );
    expect((await fixture.store.append(requests)).map((answer) => answer?.length)).toEqual(requests.map(() => 3));
    await fixture.eventually(async () => {
      expect(await fixture.conversations()).toHaveLength(64);
      expect(await fixture.exported(fixture.scope())).toHaveLength(192);
    });
  }),

  promise("a batch is seen whole or not at all by those who read meanwhile", async (fixture) => {
    await fixture.add("c", [message("first", "first")]);
    let isWriting = true;
    const counts = new Set<number>();
    const reading = (async () => {
      for (; isWriting; await pause(1)) counts.add((await fixture.seqs("c")).length);
    })();
    try {
      for (const batch of fixture.rounds([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
        await fixture.add(
          "c",
          Array.from({ length: 20 }, (_, index) => message(`${batch}-${index}`, "x")),
        );
    } finally {
      isWriting = false;
      await reading;
    }
    expect([...counts].filter((count) => count % 20 !== 1)).toEqual([]);
  }),

  promise("a call that cannot be stored leaves nothing behind", async (fixture) => {
    const refused = new Error("the caller is gone");
    const requests = [fixture.request("c", [message("a", "x")]), fixture.request("d", [message("a", "x")])];
    await expect(fixture.store.append(requests, AbortSignal.abort(refused))).rejects.toBe(refused);
    expect(await fixture.conversations()).toEqual([]);
    expect(await fixture.exported(fixture.scope())).toEqual([]);
  }),
];

const create = { resourceId: "default", title: "", metadataJson: "{}", language: undefined };
const listAll = { limit: 10, beforeSeq: undefined, afterSeq: undefined, before: undefined, after: undefined, roles: undefined };
