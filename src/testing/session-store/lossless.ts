import { expect } from "vitest";
import type { Message } from "../../domain/message.ts";
import { encodeParts } from "../../domain/parts-codec.ts";
import type { NewMessage } from "../../domain/session-store.ts";
import { type Fixture, message, promise, referenceTo, type StorePromise } from "./fixture.ts";

/** The message as each way of reading gives it. */
async function everyCopy(fixture: Fixture, given: NewMessage): Promise<readonly Message[]> {
  const [answered] = await fixture.add("c", [given]);
  return fixture.eventually(async () => {
    const scope = fixture.scope();
    const [listed] = (await fixture.list("c")).items;
    const got = await fixture.store.getMessage(scope, "c", given.id);
    const [hydrated] = await fixture.store.getMessages(scope, [referenceTo(answered!)]);
    const exported = (await fixture.exported(scope)).map((row) => row.message).find((one) => one.id === given.id);
    const copies = [answered, listed, got, hydrated?.message, exported];
    expect(copies.every((copy) => copy !== undefined)).toBe(true);
    return copies as Message[];
  });
}

const partsOf: Readonly<Record<string, readonly unknown[]>> = {
  "the order of keys": [{ type: "data", z: 1, a: 2, "10": 3, "2": 4, nested: { y: [], x: {} } }],
  "NUL and control characters": [{ type: "text", text: "a\0b\u0001\u001f\u007f\n\r\t\u2028" }],
  "numbers of every size": [
    { type: "data", numbers: [0, -1, 1.5, 1e21, 5e-324, 9_007_199_254_740_991, 0.1], big: "123456789012345678901234567890" },
  ],
  "emoji and other scripts": [{ type: "text", text: "👩‍👩‍👧 日本語 é e\u0301 \u202eabc" }],
  "halves of surrogate pairs": [{ type: "text", text: "\ud83d and \udc00", "\ud800": 1 }],
  "quotes and backslashes": [{ type: "text", text: `'"\`\\\\' $1 :x {} %s -- /* */`, 'a"b': "c\\" }],
  "keys with dots and dollars": [{ type: "data", $set: { a: 1 }, "a.b": { "c.d": 2 }, "": 3, constructor: 4 }],
  "null, booleans and empty values": [{ type: "data", null: null, yes: true, no: false, empty: "", list: [], object: {} }],
  "no parts at all": [],
  "many parts": Array.from({ length: 300 }, (_, index) => ({ type: "text", text: `${index}` })),
};

/** Parts and metadata come out to the letter. */
export const lossless: readonly StorePromise[] = [
  ...Object.entries(partsOf).map(([title, parts]) =>
    promise(`parts come out as they went in: ${title}`, async (fixture) => {
      for (const copy of await everyCopy(fixture, message("m", "text", { partsJson: encodeParts(parts) }))) {
        expect(JSON.stringify(copy.parts)).toBe(JSON.stringify(parts));
      }
    }),
  ),

  promise("bytes, URLs and dates in parts come out as what they were", async (fixture) => {
    const parts = [{ type: "file", data: new Uint8Array([0, 1, 255]), url: new URL("https://example.org/?q=%20"), at: new Date(1) }];
    for (const copy of await everyCopy(fixture, message("m", "text", { partsJson: encodeParts(parts) }))) expect(copy.parts).toEqual(parts);
  }),

  promise("metadata of a message comes out to the letter", async (fixture) => {
    const metadata = '{"z":1,"a":{"10":1,"y":[null,true,""]},"nul":"a\\u0000b","half":"\\ud83d","$set":1,"a.b":2,"__proto__":{"x":1},"":0}';
    for (const copy of await everyCopy(fixture, message("m", "text", { metadataJson: metadata }))) {
      expect(JSON.stringify(copy.metadata)).toBe(JSON.stringify(JSON.parse(metadata)));
    }
  }),

  promise("role, name, text and time of a message come out to the letter", async (fixture) => {
    const createdAt = new Date("1999-12-31T23:59:59.999Z");
    const given = message("m", ` two\nlines\t "quoted" 'é' 👩‍👩‍👧 \u2028\\`, { role: "data:%", name: "Ann O'Hara", createdAt });
    for (const copy of await everyCopy(fixture, given)) {
      expect(copy).toMatchObject({
        id: "m",
        role: given.role,
        name: given.name,
        content: given.text,
        createdAt,
        userId: "user",
        conversationId: "c",
      });
    }
  }),

  promise("a message without a name or a text has none", async (fixture) => {
    for (const copy of await everyCopy(fixture, message("m", "", { partsJson: "[]" }))) {
      expect(copy).toMatchObject({ name: undefined, content: "", parts: [], metadata: {} });
    }
  }),

  promise("a message of a million characters comes out whole", async (fixture) => {
    const text = "word é 😀 ".repeat(100_000);
    for (const copy of await everyCopy(fixture, message("m", text))) {
      expect(copy.content === text).toBe(true);
      expect(copy.parts).toHaveLength(1);
      expect(copy.parts[0]?.text === text).toBe(true);
    }
  }),

  promise("title and metadata of a conversation come out to the letter", async (fixture) => {
    const metadataJson = '{"z":1,"a":{"10":1,"y":[null,true,""]},"nul":"a\\u0000b","$set":1,"a.b":2,"":0}';
    const described = { resourceId: "default", title: ` 'é' "x" \\ 😀`, metadataJson, language: undefined };
    await fixture.add("c", [message("m", "x")], { create: described });
    const made = await fixture.store.createConversation({ tenant: fixture.tenant, userId: "user", id: "d", ...described });
    const found = await fixture.eventually(async () => {
      const all = [await fixture.store.getConversation(fixture.scope(), "c"), await fixture.store.getConversation(fixture.scope(), "d")];
      expect(all).not.toContain(undefined);
      return all;
    });
    for (const one of [made, ...found]) {
      expect(one?.title).toBe(described.title);
      expect(JSON.stringify(one?.metadata)).toBe(JSON.stringify(JSON.parse(metadataJson)));
    }
    const changed = await fixture.store.updateConversation(fixture.scope(), "c", { metadata: JSON.parse('{"b":"\\u0000","a":1}') });
    expect(JSON.stringify(changed?.metadata)).toBe('{"b":"\\u0000","a":1}');
  }),

  promise("what was handed in may be changed by the caller", async (fixture) => {
    const createdAt = new Date(1_700_000_000_000);
    const toolIds = ["call:a"];
    const given = message("m", "text", { createdAt, toolIds, type: "tool-call" });
    const messages = [given];
    const frozen = JSON.stringify(messages);
    await fixture.add("c", messages);
    expect(JSON.stringify(messages)).toBe(frozen);
    createdAt.setTime(0);
    toolIds.length = 0;
    messages.length = 0;
    await fixture.eventually(async () => {
      const [found] = (await fixture.list("c")).items;
      expect(found?.createdAt.getTime()).toBe(1_700_000_000_000);
      const [stored] = await fixture.store.getMessages(fixture.scope(), [referenceTo(found!)]);
      expect(stored?.toolIds).toEqual(["call:a"]);
    });
  }),

  promise("what was handed out may be changed by the caller", async (fixture) => {
    const given = message("m", "text", { metadataJson: '{"a":{"b":1}}', toolIds: ["call:a"], type: "tool-call" });
    const spoil = (one: Message | undefined) => {
      if (one === undefined) throw new Error("the message is gone");
      one.createdAt.setTime(0);
      (one.parts as unknown[]).length = 0;
      (one.metadata as Record<string, Record<string, unknown>>).a!.b = 2;
      Object.assign(one, { content: "spoilt" });
    };
    const scope = fixture.scope();
    for (const copy of await everyCopy(fixture, given)) spoil(copy);
    const [stored] = await fixture.store.getMessages(scope, [{ userId: "user", conversationId: "c", messageId: "m" }]);
    (stored?.toolIds as string[]).length = 0;
    const conversation = await fixture.store.getConversation(scope, "c");
    conversation?.updatedAt.setTime(0);
    const found = await fixture.store.getMessage(scope, "c", "m");
    expect(found).toMatchObject({ content: "text", metadata: { a: { b: 1 } }, parts: [{ type: "text", text: "text" }] });
    expect(found?.createdAt).toEqual(given.createdAt);
    expect((await fixture.store.getConversation(scope, "c"))?.updatedAt).toEqual(given.createdAt);
    expect((await fixture.store.getMessages(scope, [referenceTo(found!)]))[0]?.toolIds).toEqual(["call:a"]);
  }),
];
