import { randomUUID } from "node:crypto";
import type { NewRecord, RecordStore, StoredRecord } from "../../domain/record-store.ts";
import type { ConversationSummary, Summary, SummaryStatement } from "../../domain/summaries.ts";
import { allRecords } from "../all-records.ts";

/** Type of the records that hold summaries. Their position is the last place they stand for. */
export const summaryType = "summary";
/** Who makes summaries of a conversation holds one: a change of the messages deletes it, and what is being made is dropped. */
export const leaseType = "summary_lease";

/** A conversation, and where its records are. */
export interface SummaryPlace {
  readonly records: RecordStore;
  readonly tenant: string;
  readonly userId: string;
  readonly resourceId: string;
  readonly conversationId: string;
}

/** What there is to say of a run of places. */
export interface NewSummary extends Pick<Summary, "level" | "summaryIds" | "fromSeq" | "toSeq" | "messageCount" | "from" | "until"> {
  readonly statements: readonly SummaryStatement[];
  readonly method: Summary["method"];
}

interface SummaryData {
  readonly [field: string]: unknown;
  readonly fromSeq: number;
  readonly level: number;
  readonly messageCount: number;
  readonly from: number;
  readonly until: number;
  readonly method: Summary["method"];
  readonly summaryIds: readonly string[];
  readonly statements: readonly SummaryStatement[];
}

export function newSummaryRecord(place: SummaryPlace, summary: NewSummary): NewRecord {
  const { tenant, userId, resourceId, conversationId } = place;
  const { fromSeq, toSeq, level, messageCount, method, summaryIds, statements } = summary;
  const data: SummaryData = {
    ...{ fromSeq, level, messageCount, method, summaryIds, statements },
    from: summary.from.getTime(),
    until: summary.until.getTime(),
  };
  return {
    ...{ tenant, userId, resourceId, conversationId, type: summaryType, id: randomUUID(), name: undefined, key: undefined },
    content: textOf(statements),
    ...{ data, position: toSeq, createdAt: new Date(), expiresAt: undefined },
  };
}

export function toSummary({ id, userId, resourceId, conversationId = "", content, data, position, createdAt }: StoredRecord): Summary {
  const { from, until, ...rest } = data as SummaryData;
  return {
    ...{ id, conversationId, userId, resourceId, text: content, toSeq: position, createdAt },
    ...rest,
    from: new Date(from),
    until: new Date(until),
  };
}

const textOf = (statements: readonly SummaryStatement[]) => statements.map(({ text }) => text).join("\n");

const summariesAtOnce = 1_000;

/** All summaries of a conversation, in the order of their places, lower levels first. */
export async function listSummaries(place: SummaryPlace, signal: AbortSignal | undefined): Promise<Summary[]> {
  const { records, tenant, userId, conversationId } = place;
  const query = { types: [summaryType], conversationId, orderBy: "position", direction: "asc", limit: summariesAtOnce } as const;
  const found = await allRecords(records, { tenant, userId, resourceId: undefined }, query, signal);
  return found.map(toSummary).sort((left, right) => left.toSeq - right.toSeq || left.level - right.level);
}

/** Those that are part of no other, oldest first. */
export function coverOf(summaries: readonly Summary[]): Summary[] {
  const parts = new Set(summaries.flatMap(({ summaryIds }) => summaryIds));
  return summaries.filter(({ id }) => !parts.has(id)).sort((left, right) => left.fromSeq - right.fromSeq);
}

export function conversationSummary(conversationId: string, cover: readonly Summary[]): ConversationSummary | undefined {
  const [first] = cover;
  const last = cover.at(-1);
  if (first === undefined || last === undefined) return undefined;
  return {
    conversationId,
    text: cover.map(({ text }) => text).join("\n"),
    summaries: cover,
    fromSeq: first.fromSeq,
    toSeq: last.toSeq,
    messageCount: cover.reduce((sum, { messageCount }) => sum + messageCount, 0),
    until: last.until,
  };
}
