import { DimensionMismatchError, InvalidArgumentError } from "../../domain/errors.ts";
import type { NewRecord, RecordVector, StoredRecord } from "../../domain/record-store.ts";
import type { MemoryRecord, RecordChanges, RecordInput } from "../../domain/records.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { orderedUuid } from "../../internal/ordered-uuid.ts";
import type { MemoryCore } from "../memory-core.ts";
import { validateId } from "../messages/normalize-message.ts";
import { encodeMetadata, parseText, parseTime } from "../validate.ts";
import { parseType } from "./own-types.ts";

const longestName = 512;
/** What pgvector holds. */
const mostDimensions = 16_000;
/** What a Date holds. */
const lastTime = 8.64e15;
/** Squares of vectors beyond these leave the range of 32-bit floats, in which databases compare them. */
const lengths = { least: 1e-15, most: 1e15 };
/** What lists order by, where nothing is said. */
const positionOf = (createdAt: Date) => createdAt.getTime();

/** A record as it is written: what it replaces decides what was left open. */
export interface CheckedRecord {
  readonly name: Pick<NewRecord, "userId" | "type" | "id">;
  readonly vector: RecordVector | undefined;
  make(before: StoredRecord | undefined): NewRecord;
}

export async function checkRecord(
  core: MemoryCore,
  scope: StoreScope & { readonly userId: string },
  input: RecordInput,
): Promise<CheckedRecord> {
  if (typeof input !== "object" || input === null) throw new InvalidArgumentError("record", "must be an object with a type");
  const { id = orderedUuid(), conversationId } = input;
  validateId("id", id);
  if (conversationId !== undefined) validateId("conversationId", conversationId);
  const type = parseType(input.type);
  const name = parseText("name", input.name, longestName);
  const content = parseText("content", input.content, Number.POSITIVE_INFINITY) ?? "";
  const data = parseMetadata(input.metadata);
  const createdAt = parseTime("createdAt", input.createdAt);
  const expiresAt = parseExpiry(input.ttlSeconds, input.expiresAt) ?? (input.expiresAt === null ? undefined : keptUntil(core, type));
  const vector = await checkVector(core, input);
  return {
    name: { userId: scope.userId, type, id },
    vector,
    make(before) {
      const created = createdAt ?? before?.createdAt ?? new Date();
      return {
        ...{ tenant: scope.tenant, userId: scope.userId, type, id, resourceId: scope.resourceId ?? before?.resourceId ?? "default" },
        ...{ conversationId, name, key: undefined, content, data, position: positionOf(created), createdAt: created, expiresAt },
        ...wanting(core, vector, before !== undefined && before.name === name && before.content === content ? before : undefined),
      };
    },
  };
}

export interface CheckedChanges {
  readonly vector: RecordVector | undefined;
  make(before: StoredRecord): NewRecord;
}

export async function checkChanges(core: MemoryCore, changes: RecordChanges): Promise<CheckedChanges> {
  const vector = await checkVector(core, changes);
  return { vector, make: (before) => changed(core, changes, before, vector) };
}

/** The record after changes that bring no vector, or one that was checked. */
export function changed(
  core: Pick<MemoryCore, "embedder">,
  changes: RecordChanges,
  before: StoredRecord,
  vector: RecordVector | undefined,
): NewRecord {
  if (typeof changes.conversationId === "string") validateId("conversationId", changes.conversationId);
  const after = {
    ...before,
    ...(changes.name !== undefined && { name: parseText("name", changes.name ?? undefined, longestName) }),
    ...(changes.content !== undefined && {
      content: parseText("content", changes.content, Number.POSITIVE_INFINITY) as string,
    }),
    ...(changes.metadata !== undefined && { data: parseMetadata(changes.metadata) }),
    ...(changes.conversationId !== undefined && { conversationId: changes.conversationId ?? undefined }),
    ...((changes.expiresAt !== undefined || changes.ttlSeconds !== undefined) && {
      expiresAt: changes.expiresAt === null ? undefined : parseExpiry(changes.ttlSeconds, changes.expiresAt),
    }),
  };
  const isSameText = after.name === before.name && after.content === before.content;
  const { version: _version, updatedAt: _updatedAt, wantsVector: _wantsVector, ...record } = after;
  return { ...record, ...wanting(core, vector, isSameText ? before : undefined) };
}

/** The worker leaves alone what has a vector of another model than its own. */
function wanting(
  core: Pick<MemoryCore, "embedder">,
  vector: RecordVector | undefined,
  sameText: StoredRecord | undefined,
): Pick<NewRecord, "wantsVector"> {
  if (vector !== undefined) return vector.model === core.embedder?.model ? { wantsVector: true } : {};
  if (sameText !== undefined && sameText.wantsVector !== true) return {};
  return { wantsVector: true };
}

/**
 * A vector of the caller's: of the memory's model, when it names no other.
 *
 * @throws DimensionMismatchError when its length is not the model's
 */
export async function checkVector(
  core: MemoryCore,
  { embedding, embeddingModel }: Pick<RecordInput, "embedding" | "embeddingModel">,
): Promise<(RecordVector & { readonly values: Float32Array }) | undefined> {
  if (embedding === undefined) return undefined;
  const isList = Array.isArray(embedding) || embedding instanceof Float32Array;
  const values = isList ? Float32Array.from(embedding as readonly number[]) : new Float32Array();
  if (values.length === 0 || values.length > mostDimensions)
    throw new InvalidArgumentError("embedding", `must be a list of 1 to ${mostDimensions} numbers`);
  if (values.some((value) => !Number.isFinite(value))) throw new InvalidArgumentError("embedding", "must hold finite numbers");
  if (values.every((value) => value === 0)) throw new InvalidArgumentError("embedding", "must not be all zeros: it has no direction");
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  if (length < lengths.least || length > lengths.most)
    throw new InvalidArgumentError("embedding", `has a length of ${length.toExponential(0)}, and cannot be compared: scale it, e.g. to 1`);
  if (embeddingModel !== undefined && embeddingModel !== core.embedder?.model) {
    const model = parseText("embeddingModel", embeddingModel, longestName);
    if (model === undefined || model === "") throw new InvalidArgumentError("embeddingModel", "must be a string that is not empty");
    return { model, values };
  }
  const { embedder } = core;
  if (embedder?.dimensions !== undefined && embedder.dimensions !== values.length)
    throw new DimensionMismatchError(embedder.dimensions, values.length, embedder.model);
  await core.open();
  await core.useSpace(values.length);
  return { model: embedder?.model as string, values };
}

function parseMetadata(metadata: unknown): NewRecord["data"] {
  return JSON.parse(encodeMetadata("metadata", metadata)) as NewRecord["data"];
}

/** What holds for the type. */
function keptUntil({ recordsKeptMs }: Pick<MemoryCore, "recordsKeptMs">, type: string): Date | undefined {
  const keptMs = recordsKeptMs.get(type);
  return keptMs === undefined ? undefined : new Date(Date.now() + keptMs);
}

function parseExpiry(ttlSeconds: number | undefined, expiresAt: RecordInput["expiresAt"]): Date | undefined {
  if (ttlSeconds === undefined) return parseTime("expiresAt", expiresAt ?? undefined);
  if (expiresAt !== undefined) throw new InvalidArgumentError("ttlSeconds", "says what expiresAt says: give one of them");
  if (!(ttlSeconds > 0 && Number.isFinite(ttlSeconds))) throw new InvalidArgumentError("ttlSeconds", "must be a number of seconds above 0");
  const time = Date.now() + 1_000 * ttlSeconds;
  if (time > lastTime) throw new InvalidArgumentError("ttlSeconds", "ends beyond any date: leave it out to keep the record for good");
  return new Date(time);
}

export function toMemoryRecord(record: StoredRecord): MemoryRecord {
  const { id, type, userId, resourceId, conversationId, name, content, data, version, createdAt, updatedAt, expiresAt } = record;
  return { id, type, userId, resourceId, conversationId, name, content, metadata: data, version, createdAt, updatedAt, expiresAt };
}
