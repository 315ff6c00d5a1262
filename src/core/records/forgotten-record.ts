import { matchesFilter } from "../../domain/filter.ts";
import type { ForgottenReason } from "../../domain/forgetting.ts";
import type { Metadata } from "../../domain/message.ts";
import type { NewRecord, RecordConditions, RecordStore, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { stableId } from "../../internal/stable-id.ts";
import { allRecords } from "../all-records.ts";

/** Type of the records that hold records which were forgotten and can come back. */
export const forgottenRecordType = "forgotten_record";

const readAtOnce = 1_000;

/** What is kept of a record that its place does not say. */
export interface KeptRecord extends ForgottenReason {
  readonly type: string;
  readonly id: string;
  readonly name: string | null;
  readonly version: number;
  readonly content: string;
  readonly metadata: Metadata;
  readonly position: number;
  readonly createdAt: number;
  readonly wantsVector: boolean;
}

/** The record under which another one is kept aside: it belongs to the same conversation, and ends when that would have. */
export function forgottenRecord(record: StoredRecord, { planId, reason }: ForgottenReason): NewRecord {
  const { tenant, userId, resourceId, conversationId, type, id, name = null, version, content, data, position, expiresAt } = record;
  const kept: KeptRecord = {
    ...{ planId, reason, type, id, name, version, content, position },
    metadata: data,
    createdAt: record.createdAt.getTime(),
    wantsVector: record.wantsVector === true,
  };
  return {
    ...{ tenant, userId, resourceId, conversationId, type: forgottenRecordType, id: forgottenId(type, id) },
    ...{ name: undefined, key: undefined, content: "", data: { ...kept }, position: 0, createdAt: new Date(), expiresAt },
  };
}

export const keptRecord = ({ data }: StoredRecord): KeptRecord => data as unknown as KeptRecord;

/** The record as it was. */
export function recordAgain(row: StoredRecord): NewRecord {
  const { tenant, userId, resourceId, conversationId, expiresAt } = row;
  const { type, id, name, content, metadata, position, createdAt, wantsVector } = keptRecord(row);
  return {
    ...{ tenant, userId, resourceId, conversationId, type, id, name: name ?? undefined, key: undefined, content, data: metadata },
    ...{ position, createdAt: new Date(createdAt), expiresAt, ...(wantsVector && { wantsVector }) },
  };
}

/** Records of these ids, whether they are forgotten or not. */
export function withForgotten(type: string, ids: readonly string[]): RecordConditions {
  return { types: [type, forgottenRecordType], ids: [...ids, ...ids.map((id) => forgottenId(type, id))] };
}

/** Under which ids those are kept aside that match. */
export async function forgottenIds(
  store: RecordStore,
  scope: StoreScope,
  { types, exceptTypes, ids, name, conversationId, filter }: RecordConditions,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const query = { types: [forgottenRecordType], conversationId, orderBy: "createdAt", direction: "asc", limit: readAtOnce } as const;
  const rows = await allRecords(store, scope, query, signal);
  const matching = rows.filter((row) => {
    const kept = keptRecord(row);
    return (
      (types === undefined || types.includes(kept.type)) &&
      exceptTypes?.includes(kept.type) !== true &&
      (ids === undefined || ids.includes(kept.id)) &&
      (name === undefined || kept.name === name) &&
      matchesFilter(kept.metadata, filter)
    );
  });
  return matching.map(({ id }) => id);
}

/** As long as others are: ids may be of any length. */
const forgottenId = (type: string, id: string) => stableId(type, id);
