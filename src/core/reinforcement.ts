import { InvalidArgumentError } from "../domain/errors.ts";
import type { RecallHit } from "../domain/recall.ts";
import type { NewRecord, RecordStore, StoredRecord } from "../domain/record-store.ts";
import type { UsedMemory } from "../domain/reinforcement.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { MessageReference, StoredMessage } from "../domain/session-store.ts";
import { batchesOf } from "../internal/batches.ts";
import type { MemoryCore } from "./memory-core.ts";
import { messageDigest, messageUseType } from "./message-history.ts";
import { validateId } from "./messages/normalize-message.ts";
import { changeRecords } from "./record-changes.ts";

const dayMs = 86_400_000;
/** A use counts half after so many days. */
const halfLifeDays = 30;
const namesAtOnce = 1_000;
const changedAtOnce = 200;

/** When a message was of use last, and how many uses that makes, older ones counting less. */
interface Uses {
  readonly count: number;
  readonly usedAt: number;
}

/** Notes that memories were of use; those that are not there, or not the scope's, are passed over. How many there were. */
export async function reinforce(
  core: MemoryCore,
  scope: StoreScope,
  used: readonly UsedMemory[],
  signal: AbortSignal | undefined,
): Promise<number> {
  if (!Array.isArray(used)) throw new InvalidArgumentError("memories", "must be an array of hits");
  const references = used.map(({ userId, conversationId, id }, place) => {
    for (const [field, value] of Object.entries({ userId, conversationId, id })) validateId(`memories[${place}].${field}`, value);
    return { userId, conversationId, messageId: id };
  });
  const own = references.filter(({ userId }) => scope.userId === undefined || userId === scope.userId);
  await core.open();
  const stored = own.length === 0 ? [] : await core.store.getMessages(scope, own, signal);
  if (stored.length === 0) return 0;
  const records = await core.records.open();
  const now = Date.now();
  for (const batch of batchesOf(stored, { count: changedAtOnce })) {
    const names = batch.map(({ message: { id: messageId, userId, conversationId } }) => nameOf({ userId, conversationId, messageId }));
    const change = (found: readonly (StoredRecord | undefined)[]) =>
      batch.map((one, place) => ({ put: usedNow(scope.tenant, one, found[place], now), ifVersion: found[place]?.version ?? 0 }));
    await changeRecords(core, records, { tenant: scope.tenant, names, change, repeats: true }, signal);
  }
  return stored.length;
}

function usedNow(tenant: string, { message, resourceId }: StoredMessage, before: StoredRecord | undefined, now: number): NewRecord {
  const { id: messageId, userId, conversationId } = message;
  return {
    ...{ ...nameOf({ userId, conversationId, messageId }), tenant, resourceId, conversationId, name: messageDigest([messageId]) },
    ...{ key: undefined, content: "", data: { messageId, count: 1 + countAt(usesOf(before), now), usedAt: now } },
    ...{ position: now, createdAt: before?.createdAt ?? new Date(now), expiresAt: undefined },
  };
}

/** Weighs hits by how much use they were, best first; nothing is read where nothing was ever noted. */
export async function weighUses(
  core: MemoryCore,
  tenant: string,
  hits: readonly RecallHit[],
  weight: number,
  signal: AbortSignal | undefined,
): Promise<RecallHit[]> {
  const uses = await readUses(core, tenant, hits.map(referenceOf), signal);
  const now = Date.now();
  return hits
    .map((hit, place) => {
      const use = 1 - 2 ** -countAt(uses[place], now);
      return { ...hit, score: hit.score + weight * use, scores: { ...hit.scores, use } };
    })
    .sort((left, right) => right.score - left.score);
}

/** When these messages were of use last, in milliseconds; undefined: never. */
export async function lastUses(
  core: MemoryCore,
  tenant: string,
  references: readonly MessageReference[],
  signal: AbortSignal | undefined,
): Promise<(number | undefined)[]> {
  return (await readUses(core, tenant, references, signal)).map((uses) => uses?.usedAt);
}

async function readUses(
  core: MemoryCore,
  tenant: string,
  references: readonly MessageReference[],
  signal: AbortSignal | undefined,
): Promise<(Uses | undefined)[]> {
  const records: RecordStore | undefined = await core.records.openToDelete();
  if (records === undefined) return references.map(() => undefined);
  const found: (Uses | undefined)[] = [];
  for (const batch of batchesOf(references, { count: namesAtOnce }))
    found.push(...(await records.get(tenant, batch.map(nameOf), signal)).map(usesOf));
  return found;
}

const referenceOf = ({ userId, conversationId, id }: RecallHit): MessageReference => ({ userId, conversationId, messageId: id });

const nameOf = ({ userId, conversationId, messageId }: MessageReference) => ({
  ...{ userId, type: messageUseType, id: messageDigest([conversationId, messageId]) },
});

const usesOf = (record: StoredRecord | undefined) => record?.data as unknown as Uses | undefined;

function countAt(uses: Uses | undefined, now: number): number {
  return uses === undefined ? 0 : uses.count * 2 ** (-Math.max(0, now - uses.usedAt) / (halfLifeDays * dayMs));
}
