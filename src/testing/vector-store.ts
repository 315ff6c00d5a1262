import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { BackendError, DimensionMismatchError, MemoryError } from "../domain/errors.ts";
import type { MetadataFilter } from "../domain/filter.ts";
import type { VectorGuarantees } from "../domain/guarantees.ts";
import type { EmbeddingSpace } from "../domain/memory-store.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { VectorEntry, VectorMatch, VectorQuery, VectorStore } from "../domain/vector-store.ts";
import { type Eventually, guaranteed } from "./guaranteed.ts";
import {
  type Conditions,
  cosineSimilarity,
  hostileIds,
  isWanted,
  keyOf,
  normalized,
  population,
  randomVectors,
  timeOf,
} from "./vector-data.ts";

/** A store with what else a test may need of it. Leave out what your backend cannot do. */
export interface VectorStoreHarness {
  readonly store: VectorStore;
  /** Another store on the same data, as another process would make it. Without it nothing is known to be durable. */
  readonly reopen?: (() => VectorStore | Promise<VectorStore>) | undefined;
  /** Ends the server and starts it again with its data; resolves when it takes connections. */
  readonly restart?: (() => Promise<void>) | undefined;
  /** A store over a client of the test's own. */
  readonly lend?: (() => LentVectorStore | Promise<LentVectorStore>) | undefined;
  /** A store of this kind whose server is not there: an address nobody listens at. */
  readonly unreachable?: (() => VectorStore) | undefined;
  /** Removes what the store left behind; called after the store was closed. */
  readonly dispose?: (() => Promise<void>) | undefined;
}

/** A store on a client of the test's own, to see that the store leaves it open. */
export interface LentVectorStore {
  readonly store: VectorStore;
  /** Uses the client; rejects when somebody closed it. */
  readonly use: () => Promise<unknown>;
  /** Closes the client. */
  readonly end: () => Promise<unknown>;
}

/** What the suite is to expect of a store beside its guarantees, and on how many vectors. */
export interface VectorStoreSuiteOptions {
  /** Answers come from an index that may miss 2 of 100: recall@10 of at least 0.98 is asked for, else of 1. @default false */
  readonly indexed?: boolean | undefined;
  /** The similarity the store is set to; higher is nearer. @default cosine */
  readonly similarity?: ((left: Float32Array, right: Float32Array) => number) | undefined;
  /** How many vectors are compared with brute force; at least 1,500. @default 1500 */
  readonly rows?: number | undefined;
  /** Length of the vectors. @default 32 */
  readonly dimensions?: number | undefined;
  /** The most a single test may take. @default 60_000 */
  readonly timeoutMs?: number | undefined;
  /**
   * Tests that are expected to fail, by title, and why. One that passes is red: the exception is stale. For whole
   * guarantees use the store's `guarantees`.
   */
  readonly except?: Readonly<Record<string, string>> | undefined;
}

/**
 * Holds a vector store to the promises of `VectorStore` and to what its `guarantees` declare.
 *
 * @param open gives an empty store that shares nothing with any other it gave, not opened yet. It is called while a test
 *   runs; the suite closes the store, then calls `dispose`.
 * @example
 * vectorStoreSuite("files", () => ({ store: fileVectorStore({ directory: temporaryDirectory() }) }));
 */
export function vectorStoreSuite(
  name: string,
  open: () => VectorStore | VectorStoreHarness | Promise<VectorStore | VectorStoreHarness>,
  options: VectorStoreSuiteOptions = {},
): void {
  const { indexed = false, similarity = cosineSimilarity, rows = 1500, dimensions = 32, timeoutMs = 60_000, except = {} } = options;
  const space: EmbeddingSpace = { model: "test/first", dimensions };

  describe(name, () => {
    const titles = new Set<string>();
    const toDispose: VectorStoreHarness[] = [];

    async function harness(): Promise<VectorStoreHarness> {
      const opened = await open();
      return "store" in opened ? opened : { store: opened };
    }

    /** An empty store for the running test alone, not opened. */
    async function unopened(): Promise<VectorStoreHarness> {
      const made = await harness();
      onTestFinished(() => dispose(made));
      return made;
    }

    /** An empty store for the running test alone, ready for vectors. */
    async function fresh(): Promise<VectorStoreHarness> {
      const made = await unopened();
      await made.store.open();
      await made.store.useSpace(space);
      return made;
    }

    /** One store for the tests that keep to a tenant of their own. */
    const shared = memoise(async () => {
      const made = await harness();
      toDispose.push(made);
      await made.store.open();
      await made.store.useSpace(space);
      return made.store;
    });

    /** The tenant brute force is compared in; beside it another one holds the same vectors. */
    const populated = memoise(async () => {
      const store = await shared();
      const tenant = newTenant();
      const entries = population(tenant, rows, dimensions);
      await store.upsert([...entries, ...population(`${tenant}-other`, 100, dimensions)]);
      return { store, tenant, entries };
    });

    const guarantees = memoise(async () => {
      const { store, dispose } = await harness();
      const declared = store.guarantees;
      await store.close();
      await dispose?.();
      return declared;
    });

    afterAll(async () => {
      for (const made of toDispose) await dispose(made);
    });

    type Body = (eventually: Eventually, skip: (note: string) => void) => Promise<void>;
    type Promised = (title: string, body: Body) => void;
    const neverSkips = () => {};

    /** A body whose `eventually` also waits for a store that does not read its own writes at once. */
    const patient =
      (body: Body): Body =>
      async (eventually, skip) => {
        const isImmediate = (await guarantees()).readYourWrites === "required";
        return body(isImmediate ? eventually : (look) => vi.waitFor(look, { timeout: 15_000, interval: 50 }), skip);
      };

    /** Notes the title, and turns a test with an exception into one that is expected to fail. */
    function promise(title: string, body: Body, run: (body: Body) => void): void {
      if (titles.has(title)) throw new Error(`two tests have the title "${title}"`);
      titles.add(title);
      const reason = except[title];
      if (reason === undefined) run(body);
      else test.fails(`${title} (${reason})`, { timeout: timeoutMs }, () => patient(body)((look) => look(), neverSkips));
    }

    const always: Promised = (title, body) =>
      promise(title, body, (checked) => test(title, { timeout: timeoutMs }, ({ skip }) => patient(checked)((look) => look(), skip)));

    function group(guarantee: keyof VectorGuarantees, title: string, declare: (check: Promised) => void): void {
      const level = async () => (await guarantees())[guarantee];
      guaranteed(`${guarantee}: ${title}`, level, (check) => {
        const waits = guarantee === "readYourWrites" ? (body: Body) => body : patient;
        declare((name, body) =>
          promise(name, body, (checked) => check(name, (eventually) => waits(checked)(eventually, neverSkips), timeoutMs)),
        );
      });
    }

    // What is compared with brute force ---------------------------------------------------------------------------------

    /** Answers to ten questions under these conditions, held against the exact ones. */
    async function expectNearest(conditions: (tenant: string) => Conditions, eventually: Eventually, limit = 10): Promise<void> {
      const { store, tenant, entries } = await populated();
      const wanted = entries.filter((entry) => isWanted(entry, conditions(tenant)));
      expect(wanted.length, "the test's own data").toBeGreaterThan(0);
      await eventually(async () => {
        let found = 0;
        let possible = 0;
        for (const vector of randomVectors(10, dimensions, 11)) {
          const matches = await store.query({ ...conditions(tenant), vector, limit });
          const right = checkMatches(matches, wanted, vector, limit);
          found += right;
          possible += Math.min(limit, wanted.length);
        }
        expect(found / possible, "recall").toBeGreaterThanOrEqual(indexed ? 0.98 : 1);
      });
    }

    /** How many of the matches are among the nearest; throws when they are not what they say. */
    function checkMatches(matches: readonly VectorMatch[], wanted: readonly VectorEntry[], vector: Float32Array, limit: number): number {
      const known = new Map(wanted.map((entry) => [keyOf(entry), similarity(entry.vector, vector)]));
      expect(new Set(matches.map(keyOf)).size, "distinct matches").toBe(matches.length);
      expect(matches.length, "as many as there are").toBe(Math.min(limit, wanted.length));
      const best = [...known.values()].sort((left, right) => right - left);
      const least = best[matches.length - 1]! - 1e-6;
      for (const [index, match] of matches.entries()) {
        const real = known.get(keyOf(match));
        expect(real, `${keyOf(match)} fulfils the conditions`).toBeDefined();
        expect(Math.abs(match.similarity - real!), "similarity").toBeLessThan(1e-3 * Math.max(1, Math.abs(real!)));
        if (index > 0) expect(matches[index - 1]!.similarity, "best first").toBeGreaterThanOrEqual(match.similarity - 1e-5);
      }
      return matches.filter((match) => known.get(keyOf(match))! >= least).length;
    }

    /** The keys a query gives, sorted. */
    async function keys(store: VectorStore, query: Conditions, limit = 100): Promise<string[]> {
      const matches = await store.query({ ...query, vector: oneVector(dimensions, 3), limit });
      return matches.map(keyOf).sort();
    }

    const entryOf = (tenant: string, changes: Partial<VectorEntry> = {}): VectorEntry => ({
      tenant,
      userId: "ada",
      conversationId: "plans",
      messageId: "m1",
      resourceId: "agent",
      role: "user",
      seq: 1,
      createdAt: timeOf(0),
      importance: null,
      revision: "r1",
      metadata: {},
      vector: oneVector(dimensions, 1),
      ...changes,
    });

    // Opening, closing, the embedding space -------------------------------------------------------------------------------

    describe("a store", () => {
      always("opens once, however often and by how many it is asked", async () => {
        const { store } = await unopened();
        await Promise.all([store.open(), store.open()]);
        await store.open();
      });

      always("may be closed twice, also when it was never opened", async () => {
        const never = await unopened();
        await never.store.close();
        await never.store.close();
        const { store } = await fresh();
        await Promise.all([store.close(), store.close()]);
        await store.close();
      });

      always("refuses calls after close with the code closed", async () => {
        const { store } = await fresh();
        await store.close();
        for (const call of callsOf(store, entryOf("acme")))
          await expect(call(undefined), "a call after close").rejects.toMatchObject({ code: "closed" });
      });

      always("tells its health and never rejects", async () => {
        const { store } = await fresh();
        expect(await store.health()).toMatchObject({ ok: true, store: expect.any(String) });
        await store.close();
        expect(await store.health()).toMatchObject({ ok: false, problem: expect.any(String) });
      });

      always("leaves a lent client open", async (_, skip) => {
        const lent = await (await unopened()).lend?.();
        if (lent === undefined) return skip("the harness has no `lend`");
        onTestFinished(async () => void (await lent.end()));
        await lent.store.open();
        await lent.store.useSpace(space);
        await lent.store.upsert([entryOf("acme")]);
        await lent.store.close();
        await lent.store.close();
        await lent.use();
      });

      always("rejects with backend_unavailable when its server is not there, and says so in health", async (_, skip) => {
        const store = (await unopened()).unreachable?.();
        if (store === undefined) return skip("the harness has no `unreachable`");
        const problem: unknown = await openFor(store).catch((error: unknown) => error);
        expect(problem).toBeInstanceOf(BackendError);
        expect(problem).toMatchObject({ code: "backend_unavailable", retryable: true });
        expect(await store.health()).toMatchObject({ ok: false });
        await store.close();
      });

      always("goes on when its server was restarted", async (eventually, skip) => {
        const { store, restart } = await fresh();
        if (restart === undefined) return skip("the harness has no `restart`");
        await store.upsert([entryOf("acme")]);
        await restart();
        await vi.waitFor(() => store.upsert([entryOf("acme", { messageId: "m2" })]), { timeout: 20_000, interval: 200 });
        await eventually(async () => expect(await store.count(everybody("acme"))).toBe(2));
      });

      always("rejects with the reason of a signal that was aborted before", async () => {
        const { store } = await fresh();
        const signal = AbortSignal.abort(new Error("no longer wanted"));
        for (const call of callsOf(store, entryOf("acme"))) await expect(call(signal)).rejects.toThrow("no longer wanted");
        expect(await store.count(everybody("acme"))).toBe(0);
      });

      always("stops with the reason of a signal that is aborted meanwhile, or is done by then", async () => {
        const { store } = await fresh();
        const many = population("acme", 200, dimensions);
        for (const call of callsOf(store, ...many)) {
          const controller = new AbortController();
          const running = call(controller.signal).then(
            () => "done",
            (error: unknown) => (error as Error).message,
          );
          controller.abort(new Error("no longer wanted"));
          expect(["done", "no longer wanted"]).toContain(await running);
        }
      });

      always("takes the same space again and keeps what it has", async (eventually) => {
        const { store } = await fresh();
        await store.upsert([entryOf("acme")]);
        await Promise.all([store.useSpace(space), store.useSpace({ ...space })]);
        await eventually(async () => expect(await store.count(everybody("acme"))).toBe(1));
      });

      always("takes another space while it holds nothing", async (eventually) => {
        const { store } = await fresh();
        const other = { model: "test/second", dimensions: dimensions + 8 };
        await store.useSpace(other);
        await store.upsert([entryOf("acme", { vector: oneVector(other.dimensions, 1) })]);
        await eventually(async () => expect(await store.count(everybody("acme"))).toBe(1));
      });

      for (const [what, other] of [
        ["model", { model: "test/second", dimensions }],
        ["length", { model: "test/first", dimensions: dimensions + 8 }],
      ] as const) {
        always(`refuses a space of another ${what} once it holds vectors, naming both`, async (eventually) => {
          const { store } = await fresh();
          await store.upsert([entryOf("acme")]);
          await eventually(async () => expect(await store.count(everybody("acme"))).toBe(1));
          await expectMismatch(store.useSpace(other), space, other);
          await store.upsert([entryOf("acme", { messageId: "m2" })]);
          await eventually(async () => expect(await store.count(everybody("acme"))).toBe(2));
        });
      }

      always("refuses a vector of another length, and the whole batch with it", async () => {
        const { store } = await fresh();
        const batch = [entryOf("acme"), entryOf("acme", { messageId: "m2", vector: oneVector(dimensions + 1, 1) })];
        await expect(store.upsert(batch)).rejects.toMatchObject({ code: "dimension_mismatch" });
        expect(await store.count(everybody("acme"))).toBe(0);
        const question = { ...anything("acme"), vector: oneVector(dimensions - 1, 1), limit: 1 };
        await expect(store.query(question)).rejects.toMatchObject({ code: "dimension_mismatch" });
      });

      always("takes a batch of none, of one and of 2,000", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        await store.upsert([]);
        await store.upsert([entryOf(tenant, { conversationId: "one" })]);
        await store.upsert(population(tenant, 2000, dimensions));
        await eventually(async () => expect(await store.count(everybody(tenant))).toBe(2001));
      });

      always("replaces by key: of the older nothing is left", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        await store.upsert([entryOf(tenant, { metadata: { old: true }, importance: 0.5, role: "user" })]);
        const newer = {
          revision: "r2",
          metadata: { young: true },
          role: "assistant",
          resourceId: "other",
          seq: 4,
          vector: oneVector(dimensions, 2),
        };
        await store.upsert([entryOf(tenant, newer)]);
        await eventually(async () => {
          const matches = await store.query({ ...anything(tenant), vector: newer.vector, limit: 10 });
          expect(matches).toHaveLength(1);
          expect(matches[0]).toMatchObject({ revision: "r2", seq: 4, importance: null });
          expect(matches[0]?.similarity).toBeCloseTo(similarity(newer.vector, newer.vector), 2);
          expect(await keys(store, { ...anything(tenant), filter: { old: true } })).toEqual([]);
          expect(await keys(store, { ...anything(tenant), roles: ["user"] })).toEqual([]);
          expect(await keys(store, anything(tenant, { resourceId: "agent" }))).toEqual([]);
          expect(await store.count(everybody(tenant))).toBe(1);
        });
      });

      always("keeps the last of a key that is twice in one batch", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        await store.upsert([entryOf(tenant), entryOf(tenant, { messageId: "m2" }), entryOf(tenant, { revision: "r2" })]);
        await eventually(async () => {
          const matches = await store.query({ ...anything(tenant), vector: oneVector(dimensions, 1), limit: 10 });
          expect(matches.map((match) => [match.messageId, match.revision]).sort()).toEqual([
            ["m1", "r2"],
            ["m2", "r1"],
          ]);
        });
      });

      always("keeps one vector of a key that many write at once", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        const writers = Array.from({ length: 16 }, (_, index) => index);
        await Promise.all(
          writers.map((index) =>
            store.upsert([entryOf(tenant, { revision: `r${index}` }), entryOf(tenant, { messageId: `own-${index}` })]),
          ),
        );
        await eventually(async () => {
          expect(await store.count(everybody(tenant))).toBe(17);
          const matches = await store.query({ ...anything(tenant), vector: oneVector(dimensions, 1), limit: 100 });
          expect(matches.filter((match) => match.messageId === "m1")).toHaveLength(1);
        });
      });

      always("never changes what it was given, nor keeps hold of it", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        const entry = entryOf(tenant, { metadata: { label: "given" } });
        const before = structuredClone(entry);
        await store.upsert([entry]);
        const question = { ...anything(tenant), vector: oneVector(dimensions, 1), limit: 1 };
        const asked = structuredClone(question);
        await store.query(question);
        expect(entry).toEqual(before);
        expect(question).toEqual(asked);
        entry.vector.fill(-1);
        (entry.metadata as Record<string, unknown>).label = "changed";
        entry.createdAt.setTime(0);
        await eventually(async () => {
          const [match] = await store.query({ ...question, filter: { label: "given" } });
          expect(match?.createdAt).toEqual(before.createdAt);
          expect(match?.similarity).toBeCloseTo(similarity(before.vector, before.vector), 2);
        });
      });

      always("does its upkeep, where it has some, and answers as before", async (eventually) => {
        const { store, tenant } = await populated();
        await store.maintain?.();
        await eventually(async () => expect(await store.count(everybody(tenant))).toBe(rows));
      });
    });

    group("durable", "what was stored survives the process", (check) => {
      check("another store on the same data finds what the first one stored", async (eventually) => {
        const { store, reopen } = await fresh();
        const entries = population("acme", 50, dimensions).map((entry) => ({ ...entry, vector: normalized(entry.vector) }));
        await store.upsert(entries);
        await store.close();
        const second = await reopened(reopen);
        await second.useSpace(space);
        await eventually(async () => {
          expect(await second.count(everybody("acme"))).toBe(50);
          const [best] = await second.query({ ...anything("acme"), vector: entries[7]!.vector, limit: 1 });
          expect(best?.messageId).toBe("message-7");
        });
      });

      check("another store on the same data refuses a space of another model or length, naming both", async (eventually) => {
        const { store, reopen } = await fresh();
        await store.upsert([entryOf("acme")]);
        await eventually(async () => expect(await store.count(everybody("acme"))).toBe(1));
        await store.close();
        for (const other of [
          { model: "test/second", dimensions },
          { model: "test/first", dimensions: dimensions + 8 },
        ]) {
          const second = await reopened(reopen);
          await expectMismatch(second.useSpace(other), space, other);
        }
      });

      check("two stores on the same data see what the other one writes and deletes", async (eventually) => {
        const { store, reopen } = await fresh();
        const second = await reopened(reopen);
        await second.useSpace(space);
        await store.upsert([entryOf("acme")]);
        await eventually(async () => expect(await keys(second, anything("acme"))).toHaveLength(1));
        await second.delete({ tenant: "acme" });
        await eventually(async () => expect(await keys(store, anything("acme"))).toEqual([]));
      });
    });

    group("exact", "the nearest under any scope and filter, as brute force finds them", (check) => {
      const shares: readonly [string, (tenant: string) => Conditions][] = [
        ["100 %, everybody of the tenant", (tenant) => anything(tenant)],
        ["10 %, by user", (tenant) => anything(tenant, { userId: "user-tenth" })],
        ["1 %, by user", (tenant) => anything(tenant, { userId: "user-hundredth" })],
        ["0.1 %, by user", (tenant) => anything(tenant, { userId: "user-thousandth" })],
        ["10 %, by conversation", (tenant) => ({ ...anything(tenant), conversationId: "conversation-tenth" })],
        ["1 %, by conversation", (tenant) => ({ ...anything(tenant), conversationId: "conversation-hundredth" })],
        ["0.1 %, by conversation", (tenant) => ({ ...anything(tenant), conversationId: "conversation-thousandth" })],
        ["10 %, by metadata", (tenant) => ({ ...anything(tenant), filter: { share: "tenth" } })],
        ["1 %, by metadata", (tenant) => ({ ...anything(tenant), filter: { share: "hundredth" } })],
        ["0.1 %, by metadata", (tenant) => ({ ...anything(tenant), filter: { share: "thousandth" } })],
        ["33 %, by resource", (tenant) => anything(tenant, { resourceId: "agent-1" })],
        ["by user and resource", (tenant) => anything(tenant, { userId: "user-rest", resourceId: "agent-2" })],
        ["by one role", (tenant) => ({ ...anything(tenant), roles: ["assistant"] })],
        ["by several roles", (tenant) => ({ ...anything(tenant), roles: ["user", "tool"] })],
        ["since", (tenant) => ({ ...anything(tenant), since: timeOf(1400) })],
        ["until", (tenant) => ({ ...anything(tenant), until: timeOf(90) })],
        ["since and until", (tenant) => ({ ...anything(tenant), since: timeOf(700), until: timeOf(730) })],
        ["any of some metadata values", (tenant) => ({ ...anything(tenant), filter: { number: [3, 4, 5] } })],
        [
          "all conditions together",
          (tenant) => ({
            ...anything(tenant, { userId: "user-rest", resourceId: "agent-2" }),
            conversationId: "conversation-rest",
            roles: ["assistant", "tool"],
            since: timeOf(100),
            until: timeOf(1300),
            filter: { flag: [true, false], label: ["label 1", "label 5", "label 6"] },
          }),
        ],
      ];
      for (const [title, conditions] of shares)
        check(`equals brute force: ${title}`, (eventually) => expectNearest(conditions, eventually));

      check("gives 200 when there are so many", (eventually) => expectNearest((tenant) => anything(tenant), eventually, 200));

      check("gives all there are when more are asked for", (eventually) => expectNearest((tenant) => anything(tenant), eventually, 5000));

      check("gives nothing for an empty scope", async () => {
        const { store, tenant } = await populated();
        expect(await keys(store, anything(`${tenant}-nobody`))).toEqual([]);
        expect(await keys(store, anything(tenant, { userId: "nobody" }))).toEqual([]);
        expect(await keys(store, { ...anything(tenant), conversationId: "none" })).toEqual([]);
        expect(await keys(store, { ...anything(tenant), roles: [] })).toEqual([]);
      });

      check("since is inclusive and until is not, to the millisecond", async (eventually) => {
        const { store, tenant } = await populated();
        const between = (from: number, to: number) => ({ ...anything(tenant), since: new Date(from), until: new Date(to) });
        const time = timeOf(40).getTime();
        await eventually(async () => {
          expect(await keys(store, between(time, time + 1))).toHaveLength(1);
          expect(await keys(store, between(time + 1, time + 2))).toEqual([]);
          expect(await keys(store, between(time - 1, time))).toEqual([]);
        });
      });

      check("similarity is that of the vectors, whatever their lengths, to a thousandth", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        const vector = oneVector(dimensions, 5);
        const scaled = (factor: number) => vector.map((value) => value * factor);
        const entries = [1, 7, 0.01, -1, -3].map((factor) => entryOf(tenant, { messageId: `times ${factor}`, vector: scaled(factor) }));
        await store.upsert(entries);
        await eventually(async () => {
          const matches = await store.query({ ...anything(tenant), vector: scaled(2), limit: 10 });
          expect(matches).toHaveLength(entries.length);
          for (const match of matches) {
            const real = similarity(entries.find((entry) => entry.messageId === match.messageId)!.vector, scaled(2));
            expect(Math.abs(match.similarity - real)).toBeLessThan(1e-3 * Math.max(1, Math.abs(real)));
            if (similarity === cosineSimilarity) expect(Math.abs(match.similarity)).toBeLessThanOrEqual(1);
          }
        });
      });

      check("equal vectors are all found, in the same order each time", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        await store.upsert(Array.from({ length: 30 }, (_, index) => entryOf(tenant, { messageId: `m${index}`, seq: index })));
        const ask = () => store.query({ ...anything(tenant), vector: oneVector(dimensions, 1), limit: 40 });
        await eventually(async () => {
          const matches = await ask();
          expect(matches).toHaveLength(30);
          expect((await ask()).map(keyOf)).toEqual(matches.map(keyOf));
        });
      });

      check("all of a match comes back as it was stored", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        const given = [
          entryOf(tenant, { messageId: "a", seq: 1, createdAt: new Date(1_768_000_000_123), importance: null, revision: "" }),
          entryOf(tenant, { messageId: "b", seq: Number.MAX_SAFE_INTEGER, createdAt: new Date("1969-07-20T20:17:40.999Z"), importance: 0 }),
          entryOf(tenant, {
            messageId: "c",
            seq: 2 ** 40,
            createdAt: new Date("2199-12-31T23:59:59.001Z"),
            importance: 0.25,
            revision: "r:'\"{}\\",
          }),
          entryOf(tenant, { messageId: "d", importance: 1 }),
        ];
        await store.upsert(given);
        await eventually(async () => {
          const matches = await store.query({ ...anything(tenant), vector: oneVector(dimensions, 1), limit: 10 });
          const facts = (one: VectorMatch | VectorEntry) => {
            const { userId, conversationId, messageId, seq, createdAt, importance, revision } = one;
            return { userId, conversationId, messageId, seq, createdAt, importance, revision };
          };
          expect([...matches].sort(byMessage).map(facts)).toEqual(given.map(facts));
        });
      });

      check("counts everybody, a user, a resource and both", async (eventually) => {
        const { store, tenant, entries } = await populated();
        for (const scope of [
          everybody(tenant),
          { tenant, userId: "user-tenth", resourceId: undefined },
          { tenant, userId: undefined, resourceId: "agent-1" },
          { tenant, userId: "user-tenth", resourceId: "agent-1" },
          { tenant, userId: "nobody", resourceId: undefined },
          everybody(`${tenant}-nobody`),
        ]) {
          const expected = entries.filter((entry) => isWanted(entry, { ...anything(tenant), scope })).length;
          await eventually(async () => expect(await store.count(scope)).toBe(expected));
        }
      });
    });

    group("isolated", "tenants, users and conversations never see each other, whatever their ids", (check) => {
      const keyFields = ["tenant", "userId", "conversationId", "messageId"] as const;

      for (const field of keyFields) {
        check(`vectors that differ in ${field} alone stay apart`, async (eventually) => {
          const { store } = await fresh();
          // Of one length, so that each is nearest to itself by any metric.
          const vectors = randomVectors(hostileIds.length, dimensions, 23).map(normalized);
          const entries = hostileIds.map((id, index) => entryOf("acme", { [field]: id, revision: `r${index}`, vector: vectors[index]! }));
          await store.upsert(entries);
          const narrowest = (entry: VectorEntry): Conditions => ({
            ...anything(entry.tenant, { userId: entry.userId }),
            conversationId: entry.conversationId,
          });
          await eventually(async () => {
            for (const entry of entries) {
              const limit = field === "messageId" ? 1 : 100;
              const matches = await store.query({ ...narrowest(entry), vector: entry.vector, limit });
              expect(matches.map((match) => [keyOf(match), match.revision])).toEqual([[keyOf(entry), entry.revision]]);
            }
          });
          await eventually(async () => {
            if (field === "tenant") for (const entry of entries) expect(await store.count(everybody(entry.tenant))).toBe(1);
            else expect(await store.count(everybody("acme"))).toBe(entries.length);
            if (field === "userId")
              for (const { userId } of entries) expect(await store.count({ tenant: "acme", userId, resourceId: undefined })).toBe(1);
          });
        });

        check(`a delete by ${field} takes that one alone`, async (eventually) => {
          const { store } = await fresh();
          const entries = hostileIds.map((id) => entryOf("acme", { [field]: id }));
          await store.upsert(entries);
          const gone = entries.filter((_, index) => index % 2 === 0);
          for (const { tenant, userId, conversationId, messageId } of gone) {
            if (field === "tenant") await store.delete({ tenant });
            else if (field === "userId") await store.delete({ tenant, userId });
            else if (field === "conversationId") await store.delete({ tenant, userId, conversationId });
            else await store.delete({ tenant, userId, conversationId, messageIds: [messageId] });
          }
          const left = entries.filter((_, index) => index % 2 === 1);
          await eventually(async () => {
            const tenants = [...new Set(entries.map((entry) => entry.tenant))];
            const found = await Promise.all(
              tenants.map(async (tenant) => (await keys(store, anything(tenant))).map((key) => `${tenant} ${key}`)),
            );
            expect(found.flat().sort()).toEqual(left.map((entry) => `${entry.tenant} ${keyOf(entry)}`).sort());
          });
        });
      }

      check("resources with such ids are told apart", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        await store.upsert(hostileIds.map((id) => entryOf(tenant, { messageId: id, resourceId: id })));
        await eventually(async () => {
          for (const id of hostileIds) {
            const matches = await store.query({ ...anything(tenant, { resourceId: id }), vector: oneVector(dimensions, 1), limit: 100 });
            expect(matches.map((match) => match.messageId)).toEqual([id]);
            expect(await store.count({ tenant, userId: undefined, resourceId: id })).toBe(1);
          }
        });
      });

      check("ids that would run into each other when they are joined stay apart", async (eventually) => {
        const store = await shared();
        const base = newTenant();
        const entries = [":", "|", "/", "-", "_", "#", ".", ",", " ", "\u001f", "\\", '"', "%3A"].flatMap((separator) => {
          const [tenant, longer] = [`${base}${separator}`, `${base}${separator}${separator}a`];
          return [
            entryOf(tenant, { userId: `a${separator}b`, conversationId: "c", messageId: "d" }),
            entryOf(tenant, { userId: "a", conversationId: `b${separator}c`, messageId: "d" }),
            entryOf(tenant, { userId: "a", conversationId: "b", messageId: `c${separator}d` }),
            entryOf(longer, { userId: "b", conversationId: "c", messageId: "d" }),
          ];
        });
        await store.upsert(entries);
        await eventually(async () => {
          for (const entry of entries) {
            const conditions = { ...anything(entry.tenant, { userId: entry.userId }), conversationId: entry.conversationId };
            expect(await keys(store, conditions)).toEqual([keyOf(entry)]);
            const same = entries.filter((other) => other.tenant === entry.tenant);
            expect(await keys(store, anything(entry.tenant))).toEqual(same.map(keyOf).sort());
          }
        });
      });

      check("metadata that is named like the store's own fields changes nothing", async (eventually) => {
        const store = await shared();
        const [tenant, other] = [newTenant(), newTenant()];
        const forged = {
          tenant: other,
          userId: "eve",
          user_id: "eve",
          conversationId: "hers",
          role: "system",
          seq: 99,
          id: "x",
          revision: "forged",
          vector: 1,
        };
        await store.upsert([entryOf(tenant, { metadata: forged })]);
        await eventually(async () => {
          expect(await keys(store, anything(other))).toEqual([]);
          expect(await keys(store, anything(tenant, { userId: "eve" }))).toEqual([]);
          expect(await keys(store, { ...anything(tenant), roles: ["system"] })).toEqual([]);
          const [match] = await store.query({ ...anything(tenant), vector: oneVector(dimensions, 1), limit: 1 });
          expect(match).toMatchObject({ userId: "ada", conversationId: "plans", messageId: "m1", seq: 1, revision: "r1" });
        });
      });
    });

    group("readYourWrites", "a read after a write by the same process sees it", (check) => {
      check("a query, a count and a second query see each upsert and delete at once", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        for (let turn = 1; turn <= 5; turn++) {
          await store.upsert([entryOf(tenant, { messageId: `m${turn}` })]);
          await eventually(async () => {
            expect(await keys(store, anything(tenant))).toHaveLength(turn);
            expect(await store.count(everybody(tenant))).toBe(turn);
          });
        }
        await store.delete({ tenant, userId: "ada", conversationId: "plans", messageIds: ["m3"] });
        await eventually(async () => {
          expect(await keys(store, anything(tenant))).toHaveLength(4);
          expect(await store.count(everybody(tenant))).toBe(4);
        });
      });
    });

    group("deleted", "a delete leaves nothing behind", (check) => {
      /** Two tenants, two users, two conversations, three messages. */
      const crowd = (tenant: string) =>
        [tenant, `${tenant}-2`].flatMap((owner) =>
          ["ada", "ben"].flatMap((userId) =>
            ["plans", "bills"].flatMap((conversationId) =>
              ["m1", "m2", "m3"].map((messageId) => entryOf(owner, { userId, conversationId, messageId })),
            ),
          ),
        );
      const selections: readonly [string, (tenant: string) => Parameters<VectorStore["delete"]>[0], (entry: VectorEntry) => boolean][] = [
        ["everything of a tenant", (tenant) => ({ tenant }), () => true],
        ["a user", (tenant) => ({ tenant, userId: "ada" }), (entry) => entry.userId === "ada"],
        [
          "a conversation of a user",
          (tenant) => ({ tenant, userId: "ada", conversationId: "plans" }),
          (entry) => entry.userId === "ada" && entry.conversationId === "plans",
        ],
        [
          "a conversation of whoever has it",
          (tenant) => ({ tenant, conversationId: "plans" }),
          (entry) => entry.conversationId === "plans",
        ],
        [
          "messages, and what is not there is no error",
          (tenant) => ({ tenant, userId: "ada", conversationId: "plans", messageIds: ["m1", "m3", "nowhere"] }),
          (entry) => entry.userId === "ada" && entry.conversationId === "plans" && entry.messageId !== "m2",
        ],
        ["no messages when none are named", (tenant) => ({ tenant, userId: "ada", conversationId: "plans", messageIds: [] }), () => false],
        ["nothing of somebody who is not there", (tenant) => ({ tenant, userId: "nobody" }), () => false],
      ];
      for (const [title, selection, isGone] of selections) {
        check(`deletes ${title}`, async (eventually) => {
          const store = await shared();
          const tenant = newTenant();
          const entries = crowd(tenant);
          await store.upsert(entries);
          await eventually(async () => expect(await store.count(everybody(tenant))).toBe(12));
          await store.delete(selection(tenant));
          await eventually(async () => {
            for (const owner of [tenant, `${tenant}-2`]) {
              const left = entries.filter((entry) => entry.tenant === owner && !(owner === tenant && isGone(entry)));
              expect(await keys(store, anything(owner))).toEqual(left.map(keyOf).sort());
              expect(await store.count(everybody(owner))).toBe(left.length);
            }
          });
        });
      }

      check("deletes 1,500 messages by their ids", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        const ids = Array.from({ length: 1600 }, (_, index) => `m${index}`);
        await store.upsert(ids.map((messageId) => entryOf(tenant, { messageId })));
        await eventually(async () => expect(await store.count(everybody(tenant))).toBe(1600));
        await store.delete({ tenant, userId: "ada", conversationId: "plans", messageIds: ids.slice(0, 1500) });
        await eventually(async () => expect(await store.count(everybody(tenant))).toBe(100));
      });

      check("takes a vector again after its delete", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        await store.upsert([entryOf(tenant)]);
        await store.delete({ tenant });
        await store.upsert([entryOf(tenant, { revision: "r2" })]);
        await eventually(async () => {
          const matches = await store.query({ ...anything(tenant), vector: oneVector(dimensions, 1), limit: 5 });
          expect(matches.map((match) => match.revision)).toEqual(["r2"]);
        });
      });
    });

    group("filters", "metadata filters of every kind", (check) => {
      const long = "long ".repeat(1000);
      const metadata: readonly Record<string, unknown>[] = [
        {},
        { value: "one" },
        { value: "One" },
        { value: "one two" },
        { value: "" },
        { value: "1" },
        { value: 1 },
        { value: 0 },
        { value: -1.5 },
        { value: 0.1 },
        { value: 1e21 },
        { value: Number.MAX_SAFE_INTEGER },
        { value: Number.MAX_SAFE_INTEGER - 1 },
        { value: true },
        { value: false },
        { value: "true" },
        { value: null },
        { value: "null" },
        { value: ["one", 1] },
        { value: { one: 1 } },
        { value: long },
        { value: `${long}.` },
        { value: "%" },
        { value: "o*" },
        { value: 'it\'s "so" \\ {a} [b] (c) | d - @e:$f' },
        { value: "caf\u00e9" },
        { value: "cafe\u0301" },
        { value: "\u{1f9e0}" },
        { other: "one" },
        { other: "one", value: "one" },
        { other: "two", value: "one" },
        { nested: { field: 1 } },
        { "nested.field": 1 },
        { "a field": 1, "quo\"ted 'field'": 1, "back\\slash": 1, $or: 1, "{}": 1, "\u043a\u043b\u044e\u0447": 1, "": 1 },
        JSON.parse('{"__proto__": "one", "constructor": "one"}') as Record<string, unknown>,
      ];
      const entriesOf = (tenant: string) => metadata.map((one, index) => entryOf(tenant, { messageId: `m${index}`, metadata: one }));
      const stored = memoise(async () => {
        const store = await shared();
        const entries = entriesOf(newTenant());
        await store.upsert(entries);
        return { store, entries, tenant: entries[0]!.tenant };
      });

      const cases: readonly [string, readonly MetadataFilter[]][] = [
        [
          "a string, to the letter",
          ["one", "One", "ONE", "one two", "two", "", "%", "o*", "caf\u00e9", "cafe\u0301", "\u{1f9e0}"].map((value) => ({ value })),
        ],
        ["a string with every special character", [{ value: 'it\'s "so" \\ {a} [b] (c) | d - @e:$f' }]],
        ["a long string", [{ value: long }, { value: `${long}.` }, { value: long.slice(0, -1) }]],
        ["a number", [1, 0, -1.5, 0.1, 1e21, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1, 2].map((value) => ({ value }))],
        ["a boolean", [{ value: true }, { value: false }]],
        ["null: the field is there and null", [{ value: null }, { other: null }]],
        [
          'the type counts: "1" is not 1, "true" not true, "null" not null',
          ["1", 1, "true", true, "null", null].map((value) => ({ value })),
        ],
        ["any of several values, of any types", [{ value: ["one", "One"] }, { value: ["1", true, null, 0.1] }, { value: [1, "nowhere"] }]],
        ["an empty array of values matches nothing", [{ value: [] }, { value: [], other: "one" }]],
        ["a field that is nowhere matches nothing", [{ nowhere: "one" }, { nowhere: null }, { toString: "one" }, { constructor: "two" }]],
        [
          "all fields must match",
          [
            { value: "one", other: "one" },
            { value: ["one", "two"], other: ["two", "one"] },
            { value: "One", other: "one" },
          ],
        ],
        ["a list or an object in the metadata equals no value", [{ value: ["one", 1] }, { nested: "field" }, { nested: 1 }]],
        ["a name with a dot is one name", [{ "nested.field": 1 }, { "value.one": 1 }]],
        [
          "names of every kind",
          ["a field", "quo\"ted 'field'", "back\\slash", "$or", "{}", "\u043a\u043b\u044e\u0447", ""].map((name) => ({ [name]: 1 })),
        ],
        ["names that objects have by themselves", [JSON.parse('{"__proto__": "one"}') as MetadataFilter, { constructor: "one" }]],
        ["no fields: no condition", [{}]],
      ];
      for (const [title, filters] of cases) {
        check(`filters by ${title}`, async (eventually) => {
          const { store, entries, tenant } = await stored();
          for (const filter of filters) {
            const conditions = { ...anything(tenant), filter };
            const wanted = entries
              .filter((entry) => isWanted(entry, conditions))
              .map(keyOf)
              .sort();
            await eventually(async () => expect(await keys(store, conditions), JSON.stringify(filter).slice(0, 80)).toEqual(wanted));
          }
        });
      }

      check("filters together with every other condition", async (eventually) => {
        const { store, tenant, entries } = await populated();
        const conditions: Conditions = {
          ...anything(tenant, { userId: "user-rest", resourceId: "agent-0" }),
          roles: ["assistant"],
          since: timeOf(10),
          until: timeOf(900),
          filter: { mixed: [1, "1"], flag: false, label: ["label 3", "label 5"] },
        };
        const wanted = entries
          .filter((entry) => isWanted(entry, conditions))
          .map(keyOf)
          .sort();
        expect(wanted.length).toBeGreaterThan(3);
        await eventually(async () => expect(await keys(store, conditions)).toEqual(wanted));
      });

      check("metadata may be any JSON, with any number of names", async (eventually) => {
        const store = await shared();
        const tenant = newTenant();
        const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [index, index]));
        const entries = Array.from({ length: 50 }, (_, row) =>
          entryOf(tenant, {
            messageId: `m${row}`,
            metadata: {
              ...Object.fromEntries(Object.keys(many).map((index) => [`name ${row} ${index}`, row])),
              deep: { list: [1, [2, { three: null }]], empty: {}, none: [] },
              typed: row % 3 === 0 ? row : row % 3 === 1 ? `${row}` : { row },
              control: "a\u0000b\ud800",
            },
          }),
        );
        await store.upsert(entries);
        await eventually(async () => {
          expect(await store.count(everybody(tenant))).toBe(50);
          expect(await keys(store, { ...anything(tenant), filter: { "name 17 9": 17 } })).toEqual([keyOf(entries[17]!)]);
          expect(await keys(store, { ...anything(tenant), filter: { typed: ["4", 6, 7] } })).toEqual(
            [entries[4]!, entries[6]!].map(keyOf).sort(),
          );
        });
      });
    });

    test("no exception names a test that is not there", () => {
      expect(Object.keys(except).filter((title) => !titles.has(title))).toEqual([]);
    });

    async function openFor(store: VectorStore): Promise<void> {
      await store.open();
      await store.useSpace(space);
    }

    async function reopened(reopen: VectorStoreHarness["reopen"]): Promise<VectorStore> {
      if (reopen === undefined) throw new Error("the harness has no `reopen`: whether the store is durable cannot be told");
      const store = await reopen();
      onTestFinished(() => store.close());
      await store.open();
      return store;
    }
  });
}

async function dispose({ store, dispose: remove }: VectorStoreHarness): Promise<void> {
  await store.close();
  await remove?.();
}

function memoise<Value>(step: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => {
    made ??= step();
    return made;
  };
}

const newTenant = () => `tenant-${randomUUID()}`;

const everybody = (tenant: string): StoreScope => ({ tenant, userId: undefined, resourceId: undefined });

function anything(tenant: string, scope: Partial<StoreScope> = {}): Conditions {
  return {
    scope: { ...everybody(tenant), ...scope },
    conversationId: undefined,
    roles: undefined,
    since: undefined,
    until: undefined,
    filter: undefined,
  };
}

function oneVector(dimensions: number, seed: number): Float32Array {
  return randomVectors(1, dimensions, seed)[0]!;
}

const byMessage = (left: VectorMatch, right: VectorMatch) => (left.messageId < right.messageId ? -1 : 1);

/** Every call that does I/O. */
function callsOf(store: VectorStore, ...entries: VectorEntry[]): ((signal: AbortSignal | undefined) => Promise<unknown>)[] {
  const [{ tenant, vector }] = entries as [VectorEntry];
  const query: VectorQuery = { ...anything(tenant), vector, limit: 5 };
  const space = { model: "test/first", dimensions: vector.length };
  return [
    (signal) => store.useSpace(space, signal),
    (signal) => store.upsert(entries, signal),
    (signal) => store.query(query, signal),
    (signal) => store.count(everybody(tenant), signal),
    (signal) => store.delete({ tenant, userId: "nobody" }, signal),
  ];
}

/** Rejects for the space that is there, and names it and the one that was wanted. */
async function expectMismatch(call: Promise<void>, held: EmbeddingSpace, wanted: EmbeddingSpace): Promise<void> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(MemoryError.isInstance(error), "rejects").toBe(true);
  expect(error).toBeInstanceOf(DimensionMismatchError);
  const { message } = error as Error;
  for (const part of [held.model, String(held.dimensions), wanted.model, String(wanted.dimensions)]) expect(message).toContain(part);
}
