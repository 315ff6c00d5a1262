import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { NewRecord, RecordOperation } from "../../domain/record-store.ts";
import { stableId } from "../../internal/stable-id.ts";
import { isConflict } from "../until-unchanged.ts";
import { leaseType, type SummaryPlace } from "./summary-record.ts";

/** Longer than a model is waited for. A process that is killed holds a conversation up for so long. */
const leaseMs = 180_000;
const pauseMs = 100;

/**
 * The right to make summaries of a conversation. It names the places that are being read: a change of one of them deletes
 * it, and every write that hangs on it then fails with a `ConflictError`.
 */
export interface Lease {
  /** From now on only these places are read; what is to be written with that, in one step. */
  watch(fromSeq: number, toSeq: number, also?: readonly RecordOperation[]): Promise<void>;
  release(): Promise<void>;
}

/** No place: what is read then is read again. */
export const nowhere = [0, -1] as const;

/**
 * @param patienceMs how long to wait for another process that has it
 * @throws ConflictError when it still has it then
 */
export async function takeLease(place: SummaryPlace, patienceMs: number, signal: AbortSignal | undefined): Promise<Lease> {
  const { records, tenant, userId } = place;
  const id = randomUUID();
  const name = { tenant, userId, type: leaseType, id };
  let version = 0;
  const until = Date.now() + patienceMs;
  const write = async (range: readonly [number, number], also: readonly RecordOperation[]) => {
    const put = newLease(place, id, range);
    const [written] = await records.write([{ put, ifVersion: version }, ...also], signal);
    version = written?.version ?? version + 1;
  };
  for (;;) {
    try {
      await write(nowhere, []);
      break;
    } catch (error) {
      if (!isConflict(error) || Date.now() >= until) throw error;
    }
    await sleep(pauseMs, undefined, { signal });
  }
  return {
    watch: (fromSeq, toSeq, also = []) => write([fromSeq, toSeq], also),
    release: async () => void (await records.write([{ delete: name }])),
  };
}

function newLease(place: SummaryPlace, id: string, [fromSeq, toSeq]: readonly [number, number]): NewRecord {
  const { tenant, userId, resourceId, conversationId } = place;
  const now = Date.now();
  return {
    ...{ tenant, userId, resourceId, conversationId, type: leaseType, id, name: undefined, content: "" },
    // One for each conversation.
    key: stableId(conversationId),
    ...{ data: { fromSeq }, position: toSeq, createdAt: new Date(now), expiresAt: new Date(now + leaseMs) },
  };
}
