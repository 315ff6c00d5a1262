import { DimensionMismatchError } from "../../domain/errors.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { HttpJson, HttpRequest } from "../../internal/http-json.ts";
import type { Metadata } from "./records.ts";

export interface SpaceSettings {
  readonly index: string;
  readonly namespacePrefix: string;
  /** Of the index. */
  readonly dimensions: number;
}

const recordId = "space";

/**
 * Notes the model in a record of its own, in a namespace that is no tenant's.
 * @throws DimensionMismatchError when there are vectors of another model, or the index has another length
 */
export async function noteSpace(
  call: HttpJson,
  settings: SpaceSettings,
  space: EmbeddingSpace,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { index, namespacePrefix: namespace, dimensions } = settings;
  const request = async (method: HttpRequest["method"], path: string, body?: unknown) =>
    call({ method, path, body, operation: "useSpace", signal, accept: [404] });

  async function readModel(): Promise<string | undefined> {
    const { status, body } = await request("GET", `/vectors/fetch?ids=${recordId}&namespace=${namespace}`);
    const { vectors } = (status === 404 ? {} : body) as { vectors?: Readonly<Record<string, { metadata?: Metadata }>> };
    const model = vectors?.[recordId]?.metadata?.model;
    return typeof model === "string" ? model : undefined;
  }

  async function holdsAny(): Promise<boolean> {
    const { body } = await request("POST", "/describe_index_stats", {});
    const { namespaces = {} } = body as { namespaces?: Readonly<Record<string, { vectorCount?: number }>> };
    return Object.entries(namespaces).some(([name, { vectorCount = 0 }]) => name.startsWith(`${namespace}.`) && vectorCount > 0);
  }

  const held = await readModel();
  if (dimensions !== space.dimensions) throw mismatch(index, { model: held ?? "another model", dimensions }, space);
  if (held === space.model) return;
  if (held !== undefined && (await holdsAny())) throw mismatch(index, { model: held, dimensions }, space);
  const values = Array.from({ length: dimensions }, () => 1);
  const record = { id: recordId, values, metadata: { model: space.model, dimensions } };
  await request("POST", "/vectors/upsert", { vectors: [record], namespace });
}

function mismatch(index: string, held: EmbeddingSpace, wanted: EmbeddingSpace): DimensionMismatchError {
  const where = `the index "${index}" holds vectors of "${held.model}" (${held.dimensions} dimensions)`;
  const what = `"${wanted.model}" (${wanted.dimensions}) cannot be compared with them`;
  const message = `[pinecone] ${where}, and ${what}: open it with the model it has, or name another index`;
  return new DimensionMismatchError(held.dimensions, wanted.dimensions, held.model, message);
}
