import { BackendError, DimensionMismatchError } from "../../domain/errors.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { HttpAnswer, HttpJson, HttpRequest } from "../../internal/http-json.ts";
import { stableUuid } from "../../internal/stable-id.ts";

/** Collections of one database: one that notes the model, and one for each tenant. */
export interface Collections {
  /** @throws DimensionMismatchError when there are vectors of another model or length */
  useSpace(space: EmbeddingSpace, signal: AbortSignal | undefined): Promise<void>;
  /**
   * A request below the collection of a tenant; undefined when there is none and it is not to be made. A collection that
   * another process dropped and made anew is looked up again.
   */
  request(tenant: string, request: Omit<HttpRequest, "accept">, make: boolean): Promise<unknown>;
  /** Drops the collection of a tenant. */
  drop(tenant: string, signal: AbortSignal | undefined): Promise<void>;
}

export interface CollectionSettings {
  readonly collection: string;
  /** Of the collections, without a trailing slash. */
  readonly root: string;
  readonly hnsw: { readonly maxNeighbors: number; readonly efConstruction: number; readonly efSearch: number };
}

/** Chroma's own limit for a name. */
export const validName = /^[a-zA-Z0-9][a-zA-Z0-9._-]{1,}[a-zA-Z0-9]$/;

export function chromaCollections(call: HttpJson, { collection, root, hnsw }: CollectionSettings): Collections {
  const ids = new Map<string, string>();
  let current: EmbeddingSpace | undefined;

  // No tenant's name can be part of one: these are 3 to 512 letters, digits, dots, dashes and underscores.
  const nameOf = (tenant: string) => `${collection}.${stableUuid(tenant)}`;

  async function make(name: string, metadata: object, operation: string, signal: AbortSignal | undefined): Promise<CollectionInfo> {
    const { maxNeighbors, efConstruction, efSearch } = hnsw;
    const configuration = { hnsw: { space: "cosine", max_neighbors: maxNeighbors, ef_construction: efConstruction, ef_search: efSearch } };
    const body = { name, get_or_create: true, metadata, configuration };
    return (await call({ method: "POST", path: root, body, operation, signal })).body as CollectionInfo;
  }

  async function idOf(tenant: string, isMade: boolean, operation: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const known = ids.get(tenant);
    if (known !== undefined) return known;
    const name = nameOf(tenant);
    const { model = "", dimensions = 0 } = current ?? {};
    const found = isMade ? await make(name, { tenant, model, dimensions }, operation, signal) : await read(name, operation, signal);
    if (found !== undefined) ids.set(tenant, found.id);
    return found?.id;
  }

  async function read(name: string, operation: string, signal: AbortSignal | undefined): Promise<CollectionInfo | undefined> {
    const { status, body } = await call({ method: "GET", path: `${root}/${name}`, operation, signal, accept: [404] });
    return status === 404 ? undefined : (body as CollectionInfo);
  }

  /** Whether a tenant has a vector. */
  async function holdsAny(signal: AbortSignal | undefined): Promise<boolean> {
    for (const { name, id } of await tenantCollections(signal)) {
      const { body } = await call({ method: "GET", path: `${root}/${id}/count`, operation: "useSpace", signal });
      if ((body as number) > 0) return true;
      // Its length is fixed by the first vector it ever held.
      await call({ method: "DELETE", path: `${root}/${name}`, operation: "useSpace", signal, accept: [404] });
    }
    return false;
  }

  async function tenantCollections(signal: AbortSignal | undefined): Promise<CollectionInfo[]> {
    const found: CollectionInfo[] = [];
    for (let offset = 0; ; offset += pageSize) {
      const { body } = await call({ method: "GET", path: `${root}?limit=${pageSize}&offset=${offset}`, operation: "useSpace", signal });
      const page = body as readonly CollectionInfo[];
      found.push(...page.filter(({ name }) => name.startsWith(`${collection}.`) && uuid.test(name.slice(collection.length + 1))));
      if (page.length < pageSize) return found;
    }
  }

  return {
    async useSpace(space, signal) {
      const { model, dimensions } = space;
      const note = { "unforget:model": model, "unforget:dimensions": dimensions };
      const found = await make(collection, note, "useSpace", signal);
      const held = spaceOf(found);
      if (held === undefined)
        throw new BackendError("chroma", "useSpace", `the collection "${collection}" was made by another program: name another one`);
      if (held.model !== model || held.dimensions !== dimensions) {
        if (await holdsAny(signal)) throw mismatch(collection, held, space);
        ids.clear();
        await call({ method: "PUT", path: `${root}/${found.id}`, body: { new_metadata: note }, operation: "useSpace", signal });
      }
      current = space;
    },

    async request(tenant, request, isMade) {
      for (let attempt = 0; ; attempt++) {
        const id = await idOf(tenant, isMade, request.operation, request.signal);
        if (id === undefined) return undefined;
        const answer: HttpAnswer = await call({ ...request, path: `${root}/${id}${request.path}`, accept: attempt === 0 ? [404] : [] });
        if (answer.status !== 404) return answer.body;
        ids.delete(tenant);
      }
    },

    async drop(tenant, signal) {
      ids.delete(tenant);
      await call({ method: "DELETE", path: `${root}/${nameOf(tenant)}`, operation: "delete", signal, accept: [404] });
    },
  };
}

const pageSize = 100;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface CollectionInfo {
  readonly id: string;
  readonly name: string;
  readonly metadata?: Readonly<Record<string, unknown>> | null;
}

function spaceOf({ metadata }: CollectionInfo): EmbeddingSpace | undefined {
  const { "unforget:model": model, "unforget:dimensions": dimensions } = metadata ?? {};
  return typeof model === "string" && typeof dimensions === "number" ? { model, dimensions } : undefined;
}

function mismatch(collection: string, held: EmbeddingSpace, wanted: EmbeddingSpace): DimensionMismatchError {
  return new DimensionMismatchError(
    held.dimensions,
    wanted.dimensions,
    held.model,
    `[chroma] the collection "${collection}" holds vectors of "${held.model}" (${held.dimensions} dimensions), and "${wanted.model}" (${wanted.dimensions}) cannot be compared with them: open it with the model it has, or name another collection`,
  );
}
