import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe } from "vitest";
import { createMemory, type Memory, type MemoryOptions } from "../../src/index.ts";
import { memorySessionStore } from "../../src/stores/session/memory.ts";
import { describeEngines } from "./engines.ts";
import { describeServer } from "./servers.ts";

/** Where records live: with the conversations, or beside them. */
export interface RecordPlaceOfTest {
  /** Another memory on the same data, without a model; closed after the tests. */
  memory(options?: MemoryOptions): Memory;
}

/** Runs the same tests with records in each store: with the conversations, and beside those of a store that keeps none. */
export function describeRecordPlaces(title: string, body: (place: RecordPlaceOfTest) => void): void {
  describeEngines(title, (engine) => body({ memory: (options) => engine.memory({ embedding: false, worker: "manual", ...options }) }));

  describe(`${title} (sqlite)`, () => {
    const path = join(temporaryDirectory(), "memory.sqlite");
    body(placeOf({ sessions: { store: "sqlite", path } }));
  });

  describe(`${title} (memory)`, () => {
    const sessions = memorySessionStore();
    body(placeOf({ sessions: { ...sessions, close: async () => {} } }));
  });

  describe(`${title} (beside the sessions)`, () => {
    const { records: _records, ...sessions } = memorySessionStore();
    const path = join(temporaryDirectory(), "records.sqlite");
    body(placeOf({ sessions: { ...sessions, close: async () => {} }, records: { store: "sqlite", path } }));
  });

  describeServer("mongodb", `${title} (mongodb)`, (uri) =>
    body(placeOf({ sessions: { store: "mongodb", uri, collectionPrefix: `test_${process.pid}_${Date.now().toString(36)}_` } })),
  );
}

function placeOf(place: MemoryOptions): RecordPlaceOfTest {
  const opened: Memory[] = [];
  afterAll(async () => {
    for (const one of opened) await one.close();
  });
  return {
    memory(options) {
      const memory = createMemory({ ...place, embedding: false, worker: "manual", ...options });
      opened.push(memory);
      return memory;
    },
  };
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "unforget-test-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
