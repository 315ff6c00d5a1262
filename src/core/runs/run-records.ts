import { InvalidArgumentError } from "../../domain/errors.ts";
import type { MetadataFilter } from "../../domain/filter.ts";
import type { Metadata } from "../../domain/message.ts";
import type { NewRecord, StoredRecord } from "../../domain/record-store.ts";
import type { ListRunsOptions, Run, RunChanges, RunInput } from "../../domain/runs.ts";
import { validateId } from "../messages/normalize-message.ts";
import { encodeMetadata } from "../validate.ts";

/** Record type of runs. Their name is their id, as is that of what hangs on them: a tree is one list. */
export const runType = "run";

/** The fields of a run that are kept as JSON; a filter compares the scalars among them. */
interface RunData {
  readonly kind: Run["kind"];
  readonly agentId: string;
  readonly name?: string | undefined;
  readonly status: string;
  readonly parentRunId?: string | undefined;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly usage?: unknown;
  readonly metadata: Metadata;
  readonly state?: unknown;
  readonly endedAt?: number | undefined;
}

/** Whose run it is, and how long it is kept. */
export interface RunOwner {
  readonly tenant: string;
  readonly userId: string;
  readonly resourceId: string;
  readonly keptMs: number | undefined;
}

export function newRun(owner: RunOwner, id: string, input: RunInput): NewRecord {
  const { conversationId, kind = "agent", agentId } = input;
  validateId("agentId", agentId);
  if (kind !== "agent" && kind !== "workflow") throw new InvalidArgumentError("kind", 'must be "agent" or "workflow"');
  if (conversationId !== undefined) validateId("conversationId", conversationId);
  const { startedAt, ...changes } = checkedChanges(input);
  const started = startedAt ?? new Date();
  const { tenant, userId, resourceId, keptMs } = owner;
  return {
    tenant,
    userId,
    resourceId,
    type: runType,
    id,
    conversationId,
    name: id,
    key: undefined,
    content: "",
    data: withFilterFields({ kind, agentId, status: "running", metadata: {}, ...changes }),
    position: started.getTime(),
    createdAt: started,
    expiresAt: keptMs === undefined ? undefined : new Date(started.getTime() + keptMs),
  };
}

/** The run with what `changes` name; the rest as it was. */
export function changedRun(stored: StoredRecord, changes: RunChanges): NewRecord {
  const { version: _version, updatedAt: _updatedAt, ...record } = stored;
  const { startedAt, ...changed } = checkedChanges(changes);
  return {
    ...record,
    data: withFilterFields({ ...withoutFilterFields(stored), ...changed }),
    ...(startedAt === undefined ? {} : { position: startedAt.getTime(), createdAt: startedAt }),
  };
}

export function toRun(stored: StoredRecord): Run {
  const { kind, agentId, name, status, parentRunId, input, output, usage, metadata, state, endedAt } = runData(stored);
  return {
    id: stored.id,
    userId: stored.userId,
    resourceId: stored.resourceId,
    conversationId: stored.conversationId,
    kind,
    agentId,
    name,
    status,
    input,
    output,
    usage,
    metadata,
    state,
    parentRunId,
    startedAt: stored.createdAt,
    endedAt: endedAt === undefined ? undefined : new Date(endedAt),
    updatedAt: stored.updatedAt,
    version: stored.version,
  };
}

/** What a list of runs asks of the fields of a run. */
export function runFilter({ kind, agentId, status, parentRunId, metadata }: ListRunsOptions): MetadataFilter {
  const wanted = { kind, agentId, status, parentRunId };
  return {
    ...Object.fromEntries(Object.entries(wanted).flatMap(([field, value]) => (value === undefined ? [] : [[field, value]]))),
    ...Object.fromEntries(Object.entries(metadata ?? {}).map(([field, value]) => [filterField(field), value])),
  };
}

/** A filter compares top-level fields: those of the metadata stand there once more, under names no other field has. */
const filterField = (field: string) => `metadata.${field}`;

function withFilterFields(data: RunData): Metadata {
  const scalars = Object.entries(data.metadata).filter(([, value]) => typeof value !== "object" || value === null);
  return { ...data, ...Object.fromEntries(scalars.map(([field, value]) => [filterField(field), value])) };
}

function withoutFilterFields(stored: StoredRecord): RunData {
  const own = Object.entries(runData(stored)).filter(([field]) => !field.startsWith(filterField("")));
  return Object.fromEntries(own) as unknown as RunData;
}

function runData(stored: StoredRecord): RunData {
  return stored.data as unknown as RunData;
}

type CheckedChanges = Partial<RunData> & { readonly startedAt?: Date };

/** Only what is given, in the form it is kept. */
function checkedChanges(changes: RunChanges): CheckedChanges {
  const { name, status, parentRunId, metadata, startedAt, endedAt } = changes;
  if (status !== undefined) validateId("status", status);
  if (parentRunId !== undefined) validateId("parentRunId", parentRunId);
  const given = {
    name: checkedText("name", name),
    status,
    parentRunId,
    input: jsonValue("input", changes.input),
    output: jsonValue("output", changes.output),
    usage: jsonValue("usage", changes.usage),
    state: jsonValue("state", changes.state),
    metadata: checkedMetadata(metadata),
    startedAt: checkedDate("startedAt", startedAt),
    endedAt: checkedDate("endedAt", endedAt)?.getTime(),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as CheckedChanges;
}

export function checkedMetadata(metadata: Metadata | undefined): Metadata | undefined {
  return metadata === undefined ? undefined : JSON.parse(encodeMetadata("metadata", metadata));
}

export function checkedText(field: string, text: unknown): string | undefined {
  if (text !== undefined && typeof text !== "string") throw new InvalidArgumentError(field, "must be a string");
  return text;
}

export function checkedDate(field: string, date: unknown): Date | undefined {
  if (date === undefined) return undefined;
  if (!(date instanceof Date) || Number.isNaN(date.getTime())) throw new InvalidArgumentError(field, "must be a valid Date");
  return date;
}

/** The value as it will be read: what JSON makes of it. */
export function jsonValue(field: string, value: unknown): unknown {
  if (value === undefined) return undefined;
  try {
    const json = JSON.stringify(value) as string | undefined;
    return json === undefined ? undefined : JSON.parse(json);
  } catch (error) {
    throw new InvalidArgumentError(field, "cannot be written as JSON: it is cyclic or holds a BigInt", { cause: error });
  }
}
