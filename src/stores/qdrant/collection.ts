import { BackendError, DimensionMismatchError } from "../../domain/errors.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { HttpJson, HttpRequest } from "../../internal/http-json.ts";
import { stableUuid } from "../../internal/stable-id.ts";
import type { Payload } from "./points.ts";

/** How a collection is made when it is missing. */
export interface CollectionSettings {
  readonly collection: string;
  readonly hnsw: { readonly m: number; readonly efConstruct: number };
  readonly onDisk: boolean | undefined;
  readonly shardNumber: number | undefined;
  readonly replicationFactor: number | undefined;
}

/** The fields of a point's payload that conditions are put to, and their indexes. */
const indexes: Readonly<Partial<Record<keyof Payload, object | string>>> = {
  // Keeps the vectors of a tenant together on disk, and in the graph.
  tenant: { type: "keyword", is_tenant: true },
  user: "keyword",
  resource: "keyword",
  conversation: "keyword",
  role: "keyword",
  metadata: "keyword",
  created_at: "integer",
};

/** The model is kept in a point of its own: it has no tenant, so no query sees it, and every version of the server has points. */
const spaceId = stableUuid("unforget", "space");

/**
 * Makes the collection, its indexes and the note of the model where they are missing.
 * @throws DimensionMismatchError when the collection holds vectors of another model or length
 */
export async function useCollection(
  call: HttpJson,
  settings: CollectionSettings,
  space: EmbeddingSpace,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { collection } = settings;
  const root = collectionPath(collection);
  const request = async (method: HttpRequest["method"], path: string, body?: unknown, accept: readonly number[] = []) =>
    call({ method, path: `${root}${path}`, body, operation: "useSpace", signal, accept });
  const result = async <Result>(path: string, body: unknown) => ((await request("POST", path, body)).body as { result: Result }).result;

  async function describe(): Promise<CollectionInfo> {
    const found = await request("GET", "", undefined, [404]);
    if (found.status !== 404) return toCollectionInfo(found.body);
    // 409: another process was faster.
    await request("PUT", "", toCollectionBody(settings, space), [409]);
    return toCollectionInfo((await request("GET", "")).body);
  }

  async function readSpace(): Promise<EmbeddingSpace | undefined> {
    const found = await result<readonly { payload: { space?: EmbeddingSpace } }[]>("/points", { ids: [spaceId], with_payload: true });
    return found[0]?.payload.space;
  }

  async function recordSpace({ model, dimensions }: EmbeddingSpace): Promise<void> {
    const vector = Array.from({ length: dimensions }, (_, index) => (index === 0 ? 1 : 0));
    await request("PUT", "/points?wait=true", { points: [{ id: spaceId, vector, payload: { space: { model, dimensions } } }] });
  }

  /** Gives up the space of a collection that holds nothing else. */
  async function giveUp(held: EmbeddingSpace): Promise<void> {
    const { count } = await result<{ count: number }>("/points/count", { exact: true });
    if (count > 1) throw mismatch(collection, held, space);
    if (held.dimensions === space.dimensions) await recordSpace(space);
    else await request("DELETE", "");
  }

  let info = await describe();
  if (info.dimensions === undefined || info.distance !== "Cosine")
    throw new BackendError(
      "qdrant",
      "useSpace",
      `the collection "${collection}" was made by another program, for other vectors: name another one`,
    );
  const before = await readSpace();
  if (before === undefined && info.dimensions !== space.dimensions)
    throw mismatch(collection, { model: "another model", dimensions: info.dimensions }, space);
  if (before !== undefined && !isSame(before, space)) {
    await giveUp(before);
    info = await describe();
  }
  const missing = Object.entries(indexes).filter(([field]) => !info.indexes.includes(field));
  await Promise.all(missing.map(([field_name, field_schema]) => request("PUT", "/index?wait=true", { field_name, field_schema })));
  if (before !== undefined && isSame(before, space)) return;
  await recordSpace(space);
  // Read again: another process may have recorded another model at the same time.
  const after = await readSpace();
  if (after !== undefined && !isSame(after, space)) throw mismatch(collection, after, space);
}

/** The path of a collection in the interface. */
export function collectionPath(collection: string): string {
  return `/collections/${encodeURIComponent(collection)}`;
}

const isSame = (left: EmbeddingSpace, right: EmbeddingSpace) => left.model === right.model && left.dimensions === right.dimensions;

function mismatch(collection: string, held: EmbeddingSpace, wanted: EmbeddingSpace): DimensionMismatchError {
  return new DimensionMismatchError(
    held.dimensions,
    wanted.dimensions,
    held.model,
    `[qdrant] the collection "${collection}" holds vectors of "${held.model}" (${held.dimensions} dimensions), and "${wanted.model}" (${wanted.dimensions}) cannot be compared with them: open it with the model it has, or name another collection`,
  );
}

function toCollectionBody({ hnsw, onDisk, shardNumber, replicationFactor }: CollectionSettings, { dimensions }: EmbeddingSpace): object {
  return {
    vectors: { size: dimensions, distance: "Cosine", ...(onDisk !== undefined && { on_disk: onDisk }) },
    hnsw_config: { m: hnsw.m, ef_construct: hnsw.efConstruct },
    ...(shardNumber !== undefined && { shard_number: shardNumber }),
    ...(replicationFactor !== undefined && { replication_factor: replicationFactor, write_consistency_factor: replicationFactor }),
  };
}

interface CollectionInfo {
  readonly dimensions: number | undefined;
  readonly distance: string | undefined;
  readonly indexes: readonly string[];
}

function toCollectionInfo(body: unknown): CollectionInfo {
  const { result } = body as {
    result: { config: { params: { vectors?: { size?: number; distance?: string } } }; payload_schema?: Record<string, unknown> };
  };
  const { size, distance } = result.config.params.vectors ?? {};
  return { dimensions: size, distance, indexes: Object.keys(result.payload_schema ?? {}) };
}
