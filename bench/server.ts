import pg from "pg";
import { createMemory, type Memory, type MemoryOptions } from "../src/index.ts";
import { type Reference, reference } from "./reference.ts";

/** A PostgreSQL server to measure on. Everything is made in schemas of its own and dropped by {@link BenchServer.close}. */
export interface BenchServer {
  readonly pool: pg.Pool;
  memory(options?: MemoryOptions): Promise<{ readonly memory: Memory; readonly schema: string }>;
  /** Hand-written code on tables of the same shape, in another schema. */
  reference(options?: MemoryOptions): Promise<Reference>;
  /** Hand-written code on the tables of a memory: for reading. */
  referenceOn(schema: string): Reference;
  /** Closes the memories made so far and drops their tables. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export function benchServer(url: string): BenchServer {
  // No just-in-time compilation: what a good engineer turns off for statements of milliseconds.
  const pool = new pg.Pool({ connectionString: url, max: 10, options: "-c jit=off" });
  let made: { readonly memory: Memory; readonly schema: string }[] = [];
  let count = 0;

  async function make(options: MemoryOptions = {}) {
    const schema = `bench_${process.pid}_${++count}`;
    const memory = createMemory({ url, schema, worker: "manual", ...options });
    made.push({ memory, schema });
    await memory.ready();
    return { memory, schema };
  }

  async function clear(): Promise<void> {
    const ending = made;
    made = [];
    for (const { memory, schema } of ending) {
      await memory.close();
      await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
    }
  }

  return {
    pool,
    memory: make,
    async reference(options) {
      const { schema } = await make(options);
      return reference(pool, schema);
    },
    referenceOn: (schema) => reference(pool, schema),
    clear,
    async close() {
      await clear();
      await pool.end();
    },
  };
}
