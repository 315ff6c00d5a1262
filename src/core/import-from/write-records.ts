import { isDeepStrictEqual } from "node:util";
import type { SourceItem, SourceNotes, SourceRecord, SourceRun, SourceRunPart } from "../../domain/import-source.ts";
import type { NewRecord, RecordOperation, RecordStore, StoredRecord } from "../../domain/record-store.ts";
import { batchesOf } from "../../internal/batches.ts";
import { validateId } from "../messages/normalize-message.ts";
import { newRun } from "../runs/run-records.ts";
import { newEvent, newStep } from "../runs/run-tree.ts";
import { encodeMetadata, parseText } from "../validate.ts";
import { notesPlace, entryType as notesType, toEntry, writeNotes } from "../working-memory/notes.ts";
import { type ImportTarget, type NamedItem, unlessInvalid } from "./target.ts";

const recordsAtOnce = 200;
const longestName = 512;

/** Stores typed memories, notes, runs and what hangs on them. What is there already as it is in the source stays. */
export async function writeRecords(target: ImportTarget, items: readonly NamedItem[]): Promise<void> {
  const made = items.flatMap(({ name, item }) => unlessInvalid(target, name, () => toRecord(target, item)) ?? []);
  if (made.length === 0) return;
  // Of two of one name the last.
  const records = [...new Map(made.map((record) => [keyOf(record), record])).values()];
  target.tally.records += records.length;
  if (target.dryRun) return;
  const store = await target.core.records.open();
  for (const batch of batchesOf(records, { count: recordsAtOnce })) await writeBatch(target, store, batch);
}

async function writeBatch({ scope, signal }: ImportTarget, store: RecordStore, batch: readonly NewRecord[]): Promise<void> {
  const found = await store.get(scope.tenant, batch, signal);
  const operations = batch.flatMap((record, index) => operationsFor(record, found[index]));
  if (operations.length > 0) await store.write(operations, signal);
}

function operationsFor(record: NewRecord, before: StoredRecord | undefined): RecordOperation[] {
  if (before === undefined) return [{ put: record }];
  if (record.type === notesType) {
    const content = toEntry({ ...record, version: 1, updatedAt: record.createdAt }).content;
    if (toEntry(before).content === content) return [];
    const { tenant, userId, resourceId, conversationId } = record;
    return writeNotes(notesPlace({ tenant, userId, resourceId }, conversationId), before, content, undefined);
  }
  const isSame =
    before.content === record.content &&
    before.name === record.name &&
    before.conversationId === record.conversationId &&
    isDeepStrictEqual(before.data, JSON.parse(JSON.stringify(record.data)));
  return isSame ? [] : [{ put: { ...record, createdAt: before.createdAt } }];
}

function toRecord(target: ImportTarget, item: SourceItem): NewRecord {
  switch (item.kind) {
    case "record":
      return typedMemory(target, item);
    case "notes":
      return notes(target, item);
    case "run":
      return runRecord(target, item);
    case "runPart":
      return runPart(target, item);
    default:
      throw new TypeError(`${item.kind} is no record`);
  }
}

function typedMemory({ scope, userId: nobody }: ImportTarget, item: SourceRecord): NewRecord {
  const { type, id, userId = nobody, conversationId, name, createdAt = new Date(0) } = item;
  validateId("id", id);
  validateId("userId", userId);
  if (conversationId !== undefined) validateId("conversationId", conversationId);
  return {
    tenant: scope.tenant,
    userId,
    type,
    id,
    resourceId: "default",
    conversationId,
    name: parseText("name", name, Number.POSITIVE_INFINITY)?.slice(0, longestName).toWellFormed(),
    key: undefined,
    content: item.content.replaceAll("\0", "\ufffd").toWellFormed(),
    data: JSON.parse(encodeMetadata("data", item.data)) as NewRecord["data"],
    position: createdAt.getTime(),
    createdAt,
    expiresAt: undefined,
    wantsVector: true,
  };
}

function notes({ scope, userId: nobody }: ImportTarget, { userId = nobody, conversation, content }: SourceNotes): NewRecord {
  validateId("userId", userId);
  if (conversation !== undefined) validateId("conversationId", conversation.id);
  const owner = { tenant: scope.tenant, userId, resourceId: conversation?.resourceId ?? "default" };
  const [operation] = writeNotes(notesPlace(owner, conversation?.id), undefined, content, undefined);
  return (operation as { readonly put: NewRecord }).put;
}

function runRecord({ core, scope, userId: nobody }: ImportTarget, { userId = nobody, id, run }: SourceRun): NewRecord {
  validateId("id", id);
  validateId("userId", userId);
  return newRun({ tenant: scope.tenant, userId, resourceId: "default", keptMs: core.runsKeptMs }, id, run);
}

function runPart(target: ImportTarget, item: SourceRunPart): NewRecord {
  const { runId, place, conversationId, step, event } = item;
  validateId("runId", runId);
  const stub = runRecord(target, { kind: "run", userId: item.userId, id: runId, run: { agentId: "unknown", conversationId } });
  const run: StoredRecord = { ...stub, version: 1, updatedAt: stub.createdAt };
  if (step !== undefined) return newStep(run, step, step.index ?? place, [0, place]);
  if (event !== undefined) return newEvent(run, event, [0, place]);
  throw new TypeError("a part of a run is a step or an event");
}

const keyOf = ({ userId, type, id }: NewRecord) => JSON.stringify([userId, type, id]);
