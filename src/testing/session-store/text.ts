import { expect } from "vitest";
import type { NewMessage } from "../../domain/session-store.ts";
import { segmentWords } from "../../domain/words.ts";
import { day, type Fixture, message, promise, type StorePromise } from "./fixture.ts";

/** Each text in a conversation `c0`, `c1` … of its own, as neighbours may lend each other their words. */
async function texts(fixture: Fixture, given: readonly (string | { readonly text: string; readonly changes: Partial<NewMessage> })[]) {
  await fixture.store.append(
    given.map((one, index) => {
      const { text, changes } = typeof one === "string" ? { text: one, changes: {} } : one;
      return fixture.request(`c${index}`, [message(`m${index}`, text, changes)]);
    }),
  );
}

/** Which of {@link texts} match, in order of their numbers. */
async function expectFound(fixture: Fixture, words: string, expected: readonly number[], query: Parameters<Fixture["search"]>[1] = {}) {
  await fixture.eventually(async () => {
    const found = (await fixture.search(words, query)).map((match) => Number(match.messageId.slice(1)));
    expect(found.sort((left, right) => left - right)).toEqual(expected);
  });
}

/** Full-text search, exact under every filter. */
export const text: readonly StorePromise[] = [
  promise("a match tells which message it is, its place, time and importance", async (fixture) => {
    const [stored] = await fixture.add("c", [message("m", "a zebra crossed", { importance: 0.5, createdAt: day(3) })]);
    await fixture.eventually(async () => {
      const matches = await fixture.search("zebra");
      expect(matches).toMatchObject([
        { userId: "user", conversationId: "c", messageId: "m", seq: stored?.seq, createdAt: day(3), importance: 0.5 },
      ]);
      expect(matches[0]?.rank).toBeGreaterThan(0);
    });
  }),

  promise("any of the words may match", async (fixture) => {
    await texts(fixture, ["the zebra crossed", "a giraffe slept", "lions roar"]);
    await expectFound(fixture, "zebra giraffe unicorn", [0, 1]);
    await expectFound(fixture, "unicorn", []);
  }),

  promise("words are found whatever their case, and not inside of other words", async (fixture) => {
    await texts(fixture, ["The ZEBRA crossed", "zebrafish swim"]);
    await expectFound(fixture, "Zebra", [0]);
  }),

  promise("rare words weigh more than frequent ones", async (fixture) => {
    await texts(fixture, [...Array.from({ length: 20 }, () => "river water"), "quartz water"]);
    await fixture.eventually(async () => {
      const matches = await fixture.search("river quartz");
      expect(matches).toHaveLength(21);
      expect(matches[0]?.messageId).toBe("m20");
    });
  }),

  promise("more of the words is better, and the best is first", async (fixture) => {
    await texts(fixture, ["zebra alone here", "zebra with giraffe here", "zebra giraffe and lion"]);
    await fixture.eventually(async () => {
      const matches = await fixture.search("zebra giraffe lion");
      expect(matches.map((match) => match.messageId)).toEqual(["m2", "m1", "m0"]);
      const ranks = matches.map((match) => match.rank);
      expect(ranks).toEqual([...ranks].sort((left, right) => right - left));
      expect(ranks.at(-1)).toBeGreaterThan(0);
    });
  }),

  promise("a limit gives the best so many", async (fixture) => {
    await texts(fixture, [...Array.from({ length: 10 }, () => "zebra here"), "zebra giraffe here"]);
    await expectFound(
      fixture,
      "zebra giraffe",
      Array.from({ length: 11 }, (_, index) => index),
    );
    const best = await fixture.search("zebra giraffe", { limit: 3 });
    expect(best).toHaveLength(3);
    expect(best[0]?.messageId).toBe("m10");
  }),

  promise("a search is of one conversation when it names one", async (fixture) => {
    await texts(fixture, ["zebra one", "zebra two"]);
    await expectFound(fixture, "zebra", [0, 1]);
    await expectFound(fixture, "zebra", [1], { conversationId: "c1" });
    await expectFound(fixture, "zebra", [], { conversationId: "c" });
  }),

  promise("roles choose messages", async (fixture) => {
    await texts(fixture, [
      "zebra one",
      { text: "zebra two", changes: { role: "assistant" } },
      { text: "zebra three", changes: { role: "tool" } },
    ]);
    await expectFound(fixture, "zebra", [1], { roles: ["assistant"] });
    await expectFound(fixture, "zebra", [0, 2], { roles: ["user", "tool"] });
    await expectFound(fixture, "zebra", [], { roles: ["system"] });
    await expectFound(fixture, "zebra", [], { roles: [] });
  }),

  promise("since takes its bound along, until does not", async (fixture) => {
    await texts(
      fixture,
      [1, 2, 3].map((number) => ({ text: "zebra", changes: { createdAt: day(number) } })),
    );
    await expectFound(fixture, "zebra", [1, 2], { since: day(2) });
    await expectFound(fixture, "zebra", [0], { until: day(2) });
    await expectFound(fixture, "zebra", [1], { since: day(2), until: day(3) });
  }),

  promise("metadata filters are by value and type, and may name several values", async (fixture) => {
    const metadatas = [
      { kind: "a", level: 1 },
      { kind: "b", level: 1 },
      { kind: "a", level: "1" },
      { done: true, none: null },
      {},
      { "a.b": "x", $k: 1 },
    ];
    await texts(
      fixture,
      metadatas.map((metadata) => ({ text: "zebra", changes: { metadataJson: JSON.stringify(metadata) } })),
    );
    await expectFound(fixture, "zebra", [0, 1, 2, 3, 4, 5]);
    await expectFound(fixture, "zebra", [0, 2], { filter: { kind: "a" } });
    await expectFound(fixture, "zebra", [0, 1], { filter: { level: 1 } });
    await expectFound(fixture, "zebra", [2], { filter: { level: "1" } });
    await expectFound(fixture, "zebra", [0], { filter: { kind: "a", level: 1 } });
    await expectFound(fixture, "zebra", [0, 1, 2], { filter: { kind: ["a", "b"] } });
    await expectFound(fixture, "zebra", [3], { filter: { done: true } });
    await expectFound(fixture, "zebra", [3], { filter: { none: null } });
    await expectFound(fixture, "zebra", [5], { filter: { "a.b": "x", $k: 1 } });
    await expectFound(fixture, "zebra", [], { filter: { kind: [] } });
    await expectFound(fixture, "zebra", [], { filter: { missing: null } });
  }),

  promise("filters are exact also when others have most of the matches", async (fixture) => {
    await texts(
      fixture,
      Array.from({ length: 200 }, (_, index) => ({
        text: "zebra river water",
        changes: { metadataJson: index === 150 ? '{"rare":true}' : "{}" },
      })),
    );
    await fixture.add("mine", [message("m200", "zebra")], {
      create: { resourceId: "bot", title: "", metadataJson: "{}", language: undefined },
    });
    await expectFound(fixture, "zebra", [150], { filter: { rare: true }, limit: 10 });
    await expectFound(fixture, "zebra", [200], { scope: fixture.scope("user", "bot"), limit: 10 });
  }),

  promise("characters of query languages are harmless", async (fixture) => {
    await texts(fixture, ["the zebra crossed", "a giraffe slept"]);
    const syntax = [
      "'",
      '"',
      "\\",
      "*",
      "%",
      "_",
      "(",
      ")",
      "&",
      "|",
      "!",
      ":*",
      "<->",
      "-",
      "--",
      "+",
      "~",
      "^",
      "{",
      "}",
      "[",
      "]",
      "@",
      "$",
    ];
    const words = [
      "AND",
      "OR",
      "NOT",
      "NEAR",
      "NEAR(a, 2)",
      "title:",
      "_exists_:x",
      "@content:",
      "'; DROP TABLE messages; --",
      "/x/",
      "{a}",
    ];
    await expectFound(fixture, "zebra", [0]);
    for (const one of [...syntax, ...words]) {
      for (const query of [`zebra ${one}`, `${one} zebra`]) {
        expect((await fixture.search(query)).map((match) => match.messageId)).toContain("m0");
      }
      await fixture.search(one);
    }
    expect(await fixture.search("?! ...")).toEqual([]);
  }),

  promise("words of scripts without spaces are found as the library cuts them", async (fixture) => {
    await texts(fixture, ["私は東京に住んでいます", "彼は大阪に住んでいます", "живу в москве"]);
    await expectFound(fixture, segmentWords("東京"), [0]);
    await expectFound(fixture, segmentWords("大阪"), [1]);
    await expectFound(fixture, "москве", [2]);
  }),

  promise("a changed text is found by its new words alone", async (fixture) => {
    await texts(fixture, ["zebra here"]);
    await expectFound(fixture, "zebra", [0]);
    await fixture.add("c0", [message("m0", "giraffe here")]);
    await expectFound(fixture, "giraffe", [0]);
    await expectFound(fixture, "zebra", []);
    await fixture.add("c0", [message("m0", "")]);
    await expectFound(fixture, "giraffe", []);
  }),

  promise("messages without text are not found", async (fixture) => {
    await fixture.add("c0", [message("m0", "", { partsJson: '[{"type":"text","text":"zebra"}]', metadataJson: '{"zebra":"zebra"}' })]);
    await expectFound(fixture, "zebra", []);
  }),

  promise("a search of the administrator's covers every user of the tenant", async (fixture) => {
    await fixture.add("a", [message("m0", "zebra")], { userId: "ann" });
    await fixture.add("b", [message("m1", "zebra")], { userId: "ben" });
    await expectFound(fixture, "zebra", [0, 1], { scope: { tenant: fixture.tenant, userId: undefined, resourceId: undefined } });
    await expectFound(fixture, "zebra", [1], { scope: fixture.scope("ben") });
  }),

  promise("the words searched by are told", async (fixture) => {
    await texts(fixture, ["zebra here"]);
    const answer = await fixture.eventually(async () => {
      const all = {
        conversationId: undefined,
        roles: undefined,
        since: undefined,
        until: undefined,
        filter: undefined,
        language: undefined,
      };
      const found = await fixture.store.searchText?.({ ...all, scope: fixture.scope(), words: "zebra", limit: 10 });
      expect(found?.matches).toHaveLength(1);
      return found;
    });
    expect(Array.isArray(answer?.words)).toBe(true);
  }),
];
