import { expect, onTestFinished, test } from "vitest";
import { createMemory, InvalidArgumentError, NotFoundError, type RecordStore, type RunEventNode } from "../../src/index.ts";
import { memoryRecordStore } from "../../src/stores/record/memory.ts";
import { newId } from "../support/engines.ts";
import { describeRecordPlaces } from "../support/record-places.ts";

const at = (seconds: number) => new Date(1_764_000_000_000 + seconds * 1_000);
const hour = 3_600_000;

/** Events as `id(children)`. */
const drawn = (events: readonly RunEventNode[]): string =>
  events.map(({ id, children }) => (children.length === 0 ? id : `${id}(${drawn(children)})`)).join(" ");

describeRecordPlaces("runs", (place) => {
  const memory = place.memory();
  const newScope = () => memory.scope({ userId: newId("user") });

  test("a run has its steps and events as a tree", async () => {
    const { runs } = newScope();
    const started = await runs.start({
      agentId: "harbour-agent",
      name: "Harbour",
      conversationId: "c",
      input: "When is high tide?",
      startedAt: at(0),
    });
    expect(started).toMatchObject({ kind: "agent", status: "running", conversationId: "c", version: 1, startedAt: at(0) });
    await runs.record(started.id, {
      steps: [
        { id: "ask", type: "tool_call", name: "tides", input: { place: "harbour" }, index: 0, startedAt: at(1), endedAt: at(2) },
        { id: "say", type: "text", output: "At six.", index: 2 },
      ],
      events: [
        { id: "agent", type: "agent", name: "agent:start", startedAt: at(0) },
        { id: "late", type: "tool", name: "tool:end", parentEventId: "agent", startedAt: at(2), level: "INFO", status: "ok" },
      ],
    });
    await runs.record(started.id, {
      steps: [{ id: "read", type: "tool_result", output: { high: "06:00" }, index: 1 }],
      events: [
        { id: "early", type: "tool", name: "tool:start", parentEventId: "agent", startedAt: at(1) },
        { id: "inner", type: "http", name: "request", parentEventId: "early", startedAt: at(1), metadata: { ms: 12 } },
        { id: "lost", type: "log", name: "orphan", parentEventId: "unknown", startedAt: at(3) },
      ],
    });
    const done = await runs.update(started.id, { status: "completed", output: { text: "At six." }, endedAt: at(4) });
    expect(done).toMatchObject({ status: "completed", version: 2, input: "When is high tide?", endedAt: at(4) });

    const tree = await runs.tree(started.id);
    const { steps, events, ...run } = tree;
    expect(run).toEqual(done);
    expect(await runs.get(started.id)).toEqual(done);
    expect(steps.map(({ id, index, type }) => [id, index, type])).toEqual([
      ["ask", 0, "tool_call"],
      ["read", 1, "tool_result"],
      ["say", 2, "text"],
    ]);
    expect(steps[0]).toEqual({
      id: "ask",
      runId: started.id,
      index: 0,
      type: "tool_call",
      name: "tides",
      status: undefined,
      input: { place: "harbour" },
      output: undefined,
      metadata: {},
      startedAt: at(1),
      endedAt: at(2),
    });
    expect(drawn(events)).toBe("agent(early(inner) late) lost");
    expect(events[0]?.children[1]).toMatchObject({ parentEventId: "agent", level: "INFO", status: "ok", name: "tool:end" });
  });

  test("values come back to the letter", async () => {
    const { runs } = newScope();
    const values = [
      { z: 1, a: { y: [null, "", 0.1, true], b: "é🦭" } },
      "nul \0 and half \ud83d",
      [],
      0,
      false,
      null,
      "",
      { "": { "a.b": 1 } },
    ];
    for (const value of values) {
      const given = { input: value, output: value, usage: value, state: value };
      const { id } = await runs.start({ agentId: "a", ...given, metadata: { value } });
      await runs.record(id, { steps: [{ id: "s", type: "t", input: value, output: value }] });
      await runs.update(id, { status: "done" });
      const tree = await runs.tree(id);
      for (const read of [
        tree.input,
        tree.output,
        tree.usage,
        tree.state,
        tree.metadata.value,
        tree.steps[0]?.input,
        tree.steps[0]?.output,
      ])
        expect(JSON.stringify(read)).toBe(JSON.stringify(value));
    }
    const written = await runs.start({ agentId: "a", input: { at: at(0), no: undefined }, state: undefined });
    expect(written.input).toEqual({ at: at(0).toISOString() });
    expect(await runs.get(written.id)).toEqual(written);
    expect([written.state, written.usage, written.name, written.endedAt]).toEqual([undefined, undefined, undefined, undefined]);
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    await expect(runs.start({ agentId: "a", input: cyclic })).rejects.toThrow("[input] cannot be written as JSON");
    await expect(runs.update(written.id, { state: 1n })).rejects.toThrow("[state] cannot be written as JSON");
  });

  test("what an update leaves out stays, null is a value, and metadata is replaced", async () => {
    const { runs } = newScope();
    const { id } = await runs.start({ agentId: "a", input: 1, output: 2, state: { step: 1 }, metadata: { a: 1, b: 2 } });
    const changed = await runs.update(id, { output: null, state: undefined, metadata: { b: 3 } });
    expect(changed).toMatchObject({ input: 1, output: null, state: { step: 1 }, metadata: { b: 3 }, version: 2 });
    expect(changed.metadata).toEqual({ b: 3 });
    expect((await runs.list({ metadata: { a: 1 } })).items).toEqual([]);
    expect((await runs.list({ metadata: { b: 3 } })).items).toEqual([changed]);
  });

  test("the same id again replaces: the run, a step, an event", async () => {
    const { runs } = newScope();
    await runs.start({ id: "r", agentId: "a", input: "first", metadata: { a: 1 } });
    await runs.record("r", { steps: [{ id: "s", type: "text", output: "draft" }], events: [{ id: "e", type: "t", name: "start" }] });
    await runs.record("r", { steps: [{ id: "s", type: "text", output: "final" }], events: [{ id: "e", type: "t", name: "end" }] });
    const again = await runs.start({ id: "r", agentId: "b" });
    expect(again).toMatchObject({ agentId: "b", input: undefined, metadata: {}, version: 2 });
    const { steps, events } = await runs.tree("r");
    expect(steps.map(({ output, index }) => [output, index])).toEqual([["final", 0]]);
    expect(events.map(({ name }) => name)).toEqual(["end"]);
    expect(await runs.count()).toBe(1);
  });

  test("steps without an index come after those before them", async () => {
    const { runs } = newScope();
    const { id } = await runs.start({ agentId: "a" });
    await runs.record(id, {
      steps: [
        { id: "b", type: "t" },
        { id: "c", type: "t", index: 7 },
      ],
    });
    await runs.record(id, {
      steps: [
        { id: "a", type: "t" },
        { id: "b", type: "t", status: "done" },
      ],
    });
    const { steps } = await runs.tree(id);
    expect(steps.map((step) => `${step.id}${step.index}`)).toEqual(["c7", "b8", "a9"]);
  });

  test("events that begin together stand in the order they were recorded in; those below themselves stand at the top", async () => {
    const { runs } = newScope();
    const { id } = await runs.start({ agentId: "a" });
    const event = (name: string, parentEventId?: string) => ({ id: name, type: "t", name, parentEventId, startedAt: at(0) });
    await runs.record(id, { events: ["z", "y", "x"].map((name) => event(name)) });
    await runs.record(id, {
      events: [event("w", "z"), event("loop", "back"), event("back", "loop"), event("self", "self"), event("under", "back")],
    });
    expect(drawn((await runs.tree(id)).events)).toBe("z(w) y x loop back(under) self");
  });

  test("a batch of steps and events is written whole or not at all", async () => {
    const { runs } = newScope();
    const { id } = await runs.start({ agentId: "a" });
    const wrong = { steps: [{ id: "s", type: "t" }], events: [{ id: "", type: "t", name: "n" }] };
    await expect(runs.record(id, wrong)).rejects.toThrow("[events.id]");
    expect((await runs.tree(id)).steps).toEqual([]);
    const many = Array.from({ length: 300 }, (_, index) => ({ id: `s${index}`, type: "t", index }));
    await runs.record(id, { steps: many });
    expect((await runs.tree(id)).steps).toHaveLength(300);
  });

  test("lists are in the order of the start, by every condition", async () => {
    const { runs } = newScope();
    const start = (id: string, seconds: number, more = {}) => runs.start({ id, agentId: "a", startedAt: at(seconds), ...more });
    await start("one", 1, { metadata: { tier: "gold", n: 1, deep: { x: 1 } } });
    await start("three", 3, { kind: "workflow", agentId: "w", status: "suspended", conversationId: "c" });
    await start("two", 2, { parentRunId: "one", status: "completed", metadata: { tier: "gold", n: 2 } });
    const ids = async (options?: Parameters<typeof runs.list>[0]) => {
      const found = (await runs.list(options)).items.map(({ id }) => id);
      expect(await runs.count(options)).toBe(found.length);
      return found;
    };
    expect(await ids()).toEqual(["three", "two", "one"]);
    expect(await ids({ direction: "asc" })).toEqual(["one", "two", "three"]);
    expect(await ids({ kind: "workflow" })).toEqual(["three"]);
    expect(await ids({ agentId: "a" })).toEqual(["two", "one"]);
    expect(await ids({ conversationId: "c" })).toEqual(["three"]);
    expect(await ids({ status: "suspended" })).toEqual(["three"]);
    expect(await ids({ status: ["running", "completed"] })).toEqual(["two", "one"]);
    expect(await ids({ status: [] })).toEqual([]);
    expect(await ids({ parentRunId: "one" })).toEqual(["two"]);
    expect(await ids({ since: at(2) })).toEqual(["three", "two"]);
    expect(await ids({ until: at(2) })).toEqual(["one"]);
    expect(await ids({ metadata: { tier: "gold" } })).toEqual(["two", "one"]);
    expect(await ids({ metadata: { tier: "gold", n: 1 }, agentId: "a", status: "running" })).toEqual(["one"]);
    expect(await ids({ metadata: { tier: null } })).toEqual([]);
    expect(await ids({ resourceId: "another" })).toEqual([]);
  });

  test("pages go on by their cursor while runs arrive, or by an offset", async () => {
    const { runs } = newScope();
    for (let index = 0; index < 7; index++) await runs.start({ id: `r${index}`, agentId: "a", startedAt: at(index) });
    const seen: string[] = [];
    for (let cursor: string | undefined, page = 0; page === 0 || cursor !== undefined; page++) {
      const { items, nextCursor } = await runs.trees({ limit: 3, cursor });
      seen.push(...items.map(({ id }) => id));
      await runs.start({ id: `new${page}`, agentId: "a", startedAt: at(100 + page) });
      cursor = nextCursor;
    }
    expect(seen).toEqual(["r6", "r5", "r4", "r3", "r2", "r1", "r0"]);
    const { items } = await runs.list({ limit: 2, offset: 2, direction: "asc" });
    expect(items.map(({ id }) => id)).toEqual(["r2", "r3"]);
    await expect(runs.list({ cursor: "nonsense" })).rejects.toThrow("[cursor]");
    await expect(runs.list({ limit: 0 })).rejects.toThrow("[limit]");
  });

  test("the administrator finds a run by its id alone", async () => {
    const tenant = newId("tenant");
    const admin = memory.scope({ tenant });
    const [one, two] = ["one", "two"].map((userId) => memory.scope({ tenant, userId }));
    await one?.runs.start({ id: "r", agentId: "a", startedAt: at(1) });
    await one?.runs.record("r", { steps: [{ id: "s", type: "of one" }] });
    expect(await admin.runs.tree("r")).toMatchObject({ userId: "one", steps: [{ type: "of one" }] });
    await two?.runs.start({ id: "r", agentId: "a", startedAt: at(2) });
    await two?.runs.record("r", { steps: [{ id: "s", type: "of two" }] });
    expect(await admin.runs.get("r")).toMatchObject({ userId: "two" });
    expect((await admin.runs.tree("r")).steps.map(({ type }) => type)).toEqual(["of two"]);
    expect((await admin.runs.tree("r", { userId: "one" })).steps.map(({ type }) => type)).toEqual(["of one"]);
    expect(await admin.runs.update("r", { status: "done" }, { userId: "one" })).toMatchObject({ userId: "one", status: "done" });
    expect((await admin.runs.trees()).items.map(({ userId, steps }) => [userId, steps[0]?.type])).toEqual([
      ["two", "of two"],
      ["one", "of one"],
    ]);
    expect(await admin.runs.delete("r", { userId: "two" })).toBe(1);
    expect(await admin.runs.get("r")).toMatchObject({ userId: "one", status: "done" });
    await expect(memory.scope({ tenant: newId("tenant") }).runs.get("r")).rejects.toBeInstanceOf(NotFoundError);
  });

  test("the administrator's run belongs to the user that is named, or to the conversation's", async () => {
    const tenant = newId("tenant");
    const admin = memory.scope({ tenant });
    await memory.scope({ tenant, userId: "owner" }).addMessages("c", "hello");
    expect(await admin.runs.start({ agentId: "a", conversationId: "c" })).toMatchObject({ userId: "owner", conversationId: "c" });
    expect(await admin.runs.start({ agentId: "a", userId: "named" })).toMatchObject({ userId: "named" });
    await expect(admin.runs.start({ agentId: "a", conversationId: "absent" })).rejects.toThrow("[userId] is required");
    await expect(memory.scope({ tenant, userId: "me" }).runs.start({ agentId: "a", userId: "you" })).rejects.toThrow("fixed by this scope");
  });

  test("nobody sees or changes another user's runs, nor those of another resource", async () => {
    const tenant = newId("tenant");
    const scope = (userId: string, resourceId?: string) => memory.scope({ tenant, userId, resourceId }).runs;
    await scope("me", "app").start({ id: "r", agentId: "a" });
    await scope("me", "app").record("r", { steps: [{ id: "s", type: "t" }] });
    for (const other of [scope("you"), scope("me", "another app"), memory.scope({ tenant: `${tenant}2`, userId: "me" }).runs]) {
      await expect(other.get("r")).rejects.toBeInstanceOf(NotFoundError);
      await expect(other.tree("r")).rejects.toBeInstanceOf(NotFoundError);
      await expect(other.update("r", { status: "x" })).rejects.toBeInstanceOf(NotFoundError);
      await expect(other.record("r", { steps: [{ id: "s", type: "t" }] })).rejects.toBeInstanceOf(NotFoundError);
      expect([await other.count(), (await other.trees()).items.length, await other.delete("r")]).toEqual([0, 0, 0]);
    }
    await expect(scope("me", "another app").start({ id: "r", agentId: "b" })).rejects.toMatchObject({ code: "conflict" });
    expect(await scope("me").get("r")).toMatchObject({ agentId: "a", resourceId: "app" });
  });

  test("changes of one run by many writers at once all stay", async () => {
    const user = { userId: newId("user") };
    const [one, other] = [memory.scope(user).runs, place.memory().scope(user).runs];
    const { id } = await one.start({ agentId: "a" });
    const fields = ["input", "output", "usage", "state", "name", "status", "parentRunId"];
    await Promise.all(fields.map((field, index) => (index % 2 === 0 ? one : other).update(id, { [field]: `new ${field}` })));
    const run = await one.get(id);
    expect(run.version).toBe(1 + fields.length);
    expect(run).toMatchObject(Object.fromEntries(fields.map((field) => [field, `new ${field}`])));
  });

  test("a change of another version than expected is a conflict", async () => {
    const { runs } = newScope();
    const { id, version } = await runs.start({ agentId: "a", kind: "workflow", status: "suspended" });
    await runs.update(id, { status: "running" }, { ifVersion: version });
    await expect(runs.update(id, { status: "running" }, { ifVersion: version })).rejects.toMatchObject({ code: "conflict" });
    expect(await runs.get(id)).toMatchObject({ version: 2 });
  });

  test("a run that is not there is not found", async () => {
    const { runs } = newScope();
    for (const work of [
      () => runs.get("absent"),
      () => runs.tree("absent"),
      () => runs.update("absent", {}),
      () => runs.record("absent", { steps: [{ id: "s", type: "t" }] }),
    ])
      await expect(work()).rejects.toMatchObject({ code: "not_found", kind: "run", id: "absent" });
    expect(await runs.delete(["absent"])).toBe(0);
    expect(await runs.delete([])).toBe(0);
  });

  test("deleted runs take their steps and events along", async () => {
    const { runs } = newScope();
    for (const id of ["r1", "r2", "r3"]) {
      await runs.start({ id, agentId: "a" });
      await runs.record(id, { steps: [{ id: "s", type: "t" }], events: [{ id: "e", type: "t", name: "n" }] });
    }
    expect(await runs.delete(["r1", "r3", "r3", "absent"])).toBe(2);
    await runs.start({ id: "r1", agentId: "a" });
    expect(await runs.tree("r1")).toMatchObject({ version: 1, steps: [], events: [] });
    expect((await runs.tree("r2")).steps).toHaveLength(1);
  });

  test("steps recorded while their run is deleted do not stay", async () => {
    const user = { userId: newId("user") };
    const [one, other] = [memory.scope(user).runs, place.memory().scope(user).runs];
    for (let round = 0; round < 5; round++) {
      await one.start({ id: "r", agentId: "a" });
      const recorded = Array.from({ length: 6 }, (_, index) => other.record("r", { steps: [{ id: `s${index}`, type: "t", index }] }));
      const outcomes = Promise.allSettled(recorded);
      expect(await one.delete("r")).toBe(1);
      for (const outcome of await outcomes) if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(NotFoundError);
      await one.start({ id: "r", agentId: "a" });
      expect((await one.tree("r")).steps).toEqual([]);
    }
  });

  test("a deleted conversation takes its runs along, also one that was never written to; cleared messages leave them", async () => {
    const mine = newScope();
    const [id, other] = [newId("c"), newId("c")];
    await mine.addMessages(id, "hello");
    await mine.runs.start({ id: "of it", agentId: "a", conversationId: id });
    await mine.runs.start({ id: "of an app", agentId: "a", conversationId: id, resourceId: "app" });
    await mine.runs.start({ id: "of none", agentId: "a" });
    await mine.runs.start({ id: "of another", agentId: "a", conversationId: other });
    await mine.runs.record("of it", { steps: [{ id: "s", type: "t" }] });
    const ids = async () => (await mine.runs.list()).items.map((run) => run.id).toSorted();
    await mine.messages.clear(id);
    expect(await ids()).toHaveLength(4);
    expect(await newScope().conversations.delete(id)).toBe(false);
    expect(await ids()).toHaveLength(4);
    expect(await mine.conversations.delete(id)).toBe(true);
    expect(await ids()).toEqual(["of another", "of none"]);
    expect(await mine.conversations.delete(other)).toBe(false);
    expect(await ids()).toEqual(["of none"]);
  });

  test("erase takes the runs of a user along, or those of one resource", async () => {
    const mine = newScope();
    const theirs = newScope();
    await mine.addMessages(newId("c"), "hello");
    for (const resourceId of ["app", "default"]) await mine.runs.start({ id: resourceId, agentId: "a", resourceId });
    await theirs.runs.start({ id: "theirs", agentId: "a" });
    const userId = (await mine.runs.get("app")).userId;
    await memory.scope({ userId, resourceId: "app" }).erase();
    expect((await mine.runs.list()).items.map(({ id }) => id)).toEqual(["default"]);
    expect(await mine.erase()).toEqual({ conversations: 1, messages: 1 });
    expect([await mine.runs.count(), await theirs.runs.count()]).toEqual([0, 1]);
  });

  test("runs are kept as long as it was said, with all that hangs on them", async () => {
    const keeping = place.memory({ runs: { keepDays: 1 } });
    const { runs } = keeping.scope({ userId: newId("user") });
    const now = Date.now();
    await runs.start({ id: "new", agentId: "a", startedAt: new Date(now - 23 * hour) });
    await runs.start({ id: "old", agentId: "a", startedAt: new Date(now - 25 * hour) });
    await runs.record("new", { steps: [{ id: "s", type: "t" }] });
    await expect(runs.record("old", { steps: [{ id: "s", type: "t" }] })).rejects.toBeInstanceOf(NotFoundError);
    expect((await runs.trees()).items.map(({ id, steps }) => [id, steps.length])).toEqual([["new", 1]]);
    await runs.update("new", { status: "done" });
    expect(await runs.count()).toBe(1);
    expect(() => createMemory({ runs: { keepDays: 0 } })).toThrow("[runs.keepDays] must be a number above 0");
  });

  test("what a call cannot mean is an error", async () => {
    const { runs } = newScope();
    await runs.start({ id: "r", agentId: "a" });
    for (const [work, field] of [
      [() => runs.start({ agentId: "" }), "agentId"],
      [() => runs.start({ agentId: "a", id: "" }), "id"],
      [() => runs.start({ agentId: "a", kind: "job" as "agent" }), "kind"],
      [() => runs.start({ agentId: "a", startedAt: new Date(Number.NaN) }), "startedAt"],
      [() => runs.start({ agentId: "a", metadata: [] as never }), "metadata"],
      [() => runs.update("r", { status: "" }), "status"],
      [() => runs.record("r", { steps: [{ id: "s", type: "t", index: 0.5 }] }), "steps.index"],
      [() => runs.record("r", { events: [{ id: "e", type: "t", name: "" }] }), "events.name"],
      [() => runs.list({ direction: "up" as "asc" }), "direction"],
      [() => runs.get(""), "runId"],
    ] as const)
      await expect(work(), field).rejects.toMatchObject({ code: "invalid_argument", field });
    expect(InvalidArgumentError.isInstance(await runs.delete([""]).catch((error: unknown) => error))).toBe(true);
  });
});

test("a tree is read in one trip, a page of trees in two", async () => {
  const store = memoryRecordStore();
  const calls: string[] = [];
  const counted: RecordStore = {
    ...store,
    get: (...given) => {
      calls.push("get");
      return store.get(...given);
    },
    list: (...given) => {
      calls.push("list");
      return store.list(...given);
    },
  };
  const memory = createMemory({ sessions: { store: "memory" }, records: counted, embedding: false });
  onTestFinished(() => memory.close());
  const { runs } = memory.scope({ userId: "me" });
  for (let index = 0; index < 50; index++) {
    await runs.start({ id: `r${index}`, agentId: "a" });
    await runs.record(`r${index}`, { steps: [{ id: "s", type: "t", index: 0 }], events: [{ id: "e", type: "t", name: "n" }] });
  }
  calls.length = 0;
  await runs.tree("r7");
  await memory.runs.tree("r7");
  expect(calls.splice(0)).toEqual(["list", "list"]);
  const { items } = await runs.trees({ limit: 50 });
  expect(items.every(({ steps, events }) => steps.length === 1 && events.length === 1)).toBe(true);
  expect(calls.splice(0)).toEqual(["list", "list"]);
});
