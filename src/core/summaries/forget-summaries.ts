import type { RecordStore } from "../../domain/record-store.ts";
import { everyRecord } from "../all-records.ts";
import { leaseType, summaryType } from "./summary-record.ts";

export interface SummarizedConversation {
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
}

const types = [summaryType, leaseType];
const mostAtOnce = 1_000;

/**
 * Deletes the summaries made of these places, all without any, and stops those that are being made. Whether there were any.
 */
export async function forgetSummaries(
  records: RecordStore,
  { tenant, userId, conversationId }: SummarizedConversation,
  seqs: readonly number[] | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const scope = { tenant, userId, resourceId: undefined };
  if (seqs === undefined) return (await records.erase(scope, { types, conversationId }, signal)) > 0;
  if (seqs.length === 0) return false;
  const lowest = seqs.reduce((one, other) => Math.min(one, other));
  const query = {
    types,
    conversationId,
    positionFrom: lowest,
    orderBy: "position",
    direction: "asc",
    limit: mostAtOnce,
  } as const;
  for (let wereAny = false; ; ) {
    const ids: string[] = [];
    for await (const some of everyRecord(records, scope, query, signal))
      for (const { id, data, position } of some) if (seqs.some((seq) => seq >= (data.fromSeq as number) && seq <= position)) ids.push(id);
    if (ids.length === 0) return wereAny;
    wereAny = true;
    await records.erase(scope, { types, conversationId, ids }, signal);
    // Whoever was at it may have been done meanwhile: once more.
  }
}
