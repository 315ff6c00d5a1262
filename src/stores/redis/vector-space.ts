import { BackendError, DimensionMismatchError } from "../../domain/errors.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { RedisConnection } from "./connection.ts";

/** The note of what is kept under a prefix, and how. The first process that writes decides. */
export interface SpaceNote extends EmbeddingSpace {
  readonly layout: "vector-sets" | "hnsw" | "flat";
  /** Links per node of the graph, which cannot change later. */
  readonly m: number;
}

const keyOf = (prefix: string) => `${prefix}space`;

/** Writes the note if it is still what was read, and answers what is there. */
const claimScript = `
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[2] then return held end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]`;

export async function readNote(connection: RedisConnection, prefix: string): Promise<SpaceNote | undefined> {
  const text = await connection.send(keyOf(prefix), ["GET", keyOf(prefix)]);
  return text === null || text === undefined ? undefined : (JSON.parse(String(text)) as SpaceNote);
}

/**
 * Makes the note, or leaves the one that suits. `isEmpty` tells whether what another note stands for may be given up.
 * @throws DimensionMismatchError when there are vectors of another model or length
 */
export async function claimSpace(
  connection: RedisConnection,
  prefix: string,
  wanted: SpaceNote,
  isEmpty: (held: SpaceNote) => Promise<boolean>,
): Promise<{ readonly note: SpaceNote; readonly isNew: boolean }> {
  for (;;) {
    const held = await readNote(connection, prefix);
    if (held !== undefined && isSameSpace(held, wanted) && isSameWay(held, wanted)) return { note: held, isNew: false };
    if (held !== undefined && !(await isEmpty(held))) throw mismatch(held, wanted);
    const values = [toText(wanted), held === undefined ? "" : toText(held)];
    if (String(await connection.script(claimScript, [keyOf(prefix)], values)) === values[0]) return { note: wanted, isNew: true };
  }
}

const toText = ({ model, dimensions, layout, m }: SpaceNote) => JSON.stringify({ model, dimensions, layout, m });

export const isSameSpace = (left: EmbeddingSpace, right: EmbeddingSpace) =>
  left.model === right.model && left.dimensions === right.dimensions;

const isSameWay = (left: SpaceNote, right: SpaceNote) => (left.layout === "vector-sets") === (right.layout === "vector-sets");

export function mismatch(held: SpaceNote, wanted: EmbeddingSpace): Error {
  if (isSameSpace(held, wanted)) {
    const way = held.layout === "vector-sets" ? "vector-sets" : "query-engine";
    return new BackendError(
      "redis",
      "useSpace",
      `the vectors of this keyPrefix are kept by "${way}": open it so, or give another keyPrefix`,
    );
  }
  return new DimensionMismatchError(
    held.dimensions,
    wanted.dimensions,
    held.model,
    `[redis] this keyPrefix holds vectors of "${held.model}" (${held.dimensions} dimensions), and "${wanted.model}" (${wanted.dimensions}) cannot be compared with them: open it with the model it has, or give another keyPrefix`,
  );
}
