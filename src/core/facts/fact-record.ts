import type { Fact, FactSource } from "../../domain/facts.ts";
import type { ForgottenReason } from "../../domain/forgetting.ts";
import type { Metadata } from "../../domain/message.ts";
import type { NewRecord, StoredRecord } from "../../domain/record-store.ts";
import { stableId } from "../../internal/stable-id.ts";
import type { Ending, TimelineFact } from "./timeline.ts";

/** Record type of facts. Their name is their timeline; the one every writer of a timeline meets has it for a key, too. */
export const factType = "fact";
/** Which facts a message is a source of. Their name is the message, their conversation the message's. */
export const sourceType = "fact_source";
/** Which messages were read for facts. Their name is the message, their conversation the message's. */
export const readingType = "fact_reading";
/** How far a conversation was read in the background; its position says. */
export const positionType = "fact_position";
/** Which facts are derived from a fact. Their name is that fact. */
export const derivationType = "fact_derivation";

/** Facts that were forgotten and can come back, by their ids and timelines; their links stay. */
export const forgottenFactType = "forgotten_fact";

/** Beyond any date, and exact as a number. */
const never = 9e15;

/** A fact as it is kept; times are epoch milliseconds. */
export interface FactData {
  readonly subject: string;
  readonly subjectKey: string;
  readonly predicate: string | null;
  readonly object: string | null;
  readonly confidence: number;
  readonly isUntrusted: boolean;
  readonly isEnd: boolean;
  /** What it says, comparable; null: an end of whatever there is. */
  readonly value: string | null;
  readonly from: number | null;
  readonly statedTo: number | null;
  readonly to: number | null;
  readonly supersededAt: number | null;
  readonly supersededBy: string | null;
  readonly retraction: { readonly at: number; readonly reason: string } | null;
  /** What a filter compares. */
  readonly isRetracted: boolean;
  readonly derivedFrom: readonly string[];
  readonly isStale: boolean;
  readonly sources: readonly (readonly [conversationId: string, messageId: string])[];
}

/** A fact with its data told apart: as it is stored, or as it shall be. */
export interface FactRecord extends Omit<NewRecord, "data" | "name"> {
  /** Its timeline. */
  readonly name: string;
  readonly data: FactData;
}

export interface StoredFact extends FactRecord {
  readonly version: number;
  readonly updatedAt: Date;
}

export const storedFact = (record: StoredRecord): StoredFact => record as unknown as StoredFact;

/** The record of a fact, its place in lists being when it ends. */
export function recordOf({ data, ...fact }: FactRecord): NewRecord {
  const isOver = data.isEnd || data.retraction !== null;
  const { tenant, userId, type, id, resourceId, conversationId, name, key, content, createdAt, expiresAt } = fact;
  return {
    ...{ tenant, userId, type, id, resourceId, conversationId, name, key, content, createdAt, expiresAt },
    data: data as unknown as Metadata,
    position: isOver ? -never : (data.to ?? never),
    // What is over is never searched.
    ...(isOver ? {} : { wantsVector: true as const }),
  };
}

export function toFact({ data, ...record }: StoredFact): Fact {
  return {
    id: record.id,
    userId: record.userId,
    resourceId: record.resourceId,
    subject: data.subject,
    predicate: data.predicate ?? undefined,
    object: data.object ?? undefined,
    statement: record.content,
    confidence: data.confidence,
    sources: data.sources.map(([conversationId, messageId]): FactSource => ({ conversationId, messageId })),
    isUntrusted: data.isUntrusted,
    isEnd: data.isEnd,
    validFrom: dateOf(data.from),
    validTo: data.isEnd ? undefined : dateOf(data.to),
    recordedAt: record.createdAt,
    supersededAt: dateOf(data.supersededAt),
    supersededBy: data.supersededBy ?? undefined,
    retraction: data.retraction === null ? undefined : { at: new Date(data.retraction.at), reason: data.retraction.reason },
    derivedFrom: data.derivedFrom,
    isStale: data.isStale,
    version: record.version,
  };
}

const dateOf = (time: number | null): Date | undefined => (time === null ? undefined : new Date(time));

/** The fact as its timeline sees it, with the record it comes from. */
export function onTimeline<Kept extends FactRecord>(record: Kept): TimelineFact & { readonly record: Kept } {
  const { value, isEnd, from, statedTo } = record.data;
  return {
    id: record.id,
    value: value ?? undefined,
    isEnd,
    from: from ?? Number.NEGATIVE_INFINITY,
    statedTo: statedTo ?? Number.POSITIVE_INFINITY,
    recordedAt: record.createdAt.getTime(),
    record,
  };
}

/** The fact with the end its timeline gives it. */
export function withEnding<Kept extends FactRecord>(record: Kept, ending: Ending, isHolder: boolean): Kept {
  const { to, by } = ending;
  const data: FactData = {
    ...record.data,
    to: Number.isFinite(to) ? to : null,
    supersededAt: by?.at ?? null,
    supersededBy: by?.id ?? null,
  };
  return { ...record, key: isHolder ? record.name : undefined, data };
}

/** A fact that is kept aside, as a record. */
export function forgottenFact(fact: StoredFact, { planId, reason }: ForgottenReason): NewRecord {
  const { tenant, userId, resourceId, id, name, content, version, createdAt } = fact;
  return {
    ...{
      tenant,
      userId,
      resourceId,
      type: forgottenFactType,
      id,
      name,
      key: undefined,
      conversationId: undefined,
      content: "",
      position: 0,
    },
    data: { planId, reason, statement: content, version, recordedAt: createdAt.getTime(), fact: fact.data },
    createdAt: new Date(),
    expiresAt: undefined,
  };
}

/** The fact of such a record, as it was: its timeline says when it ends. */
export function keptFact({ tenant, userId, resourceId, id, name, data }: StoredRecord): FactRecord & { readonly version: number } {
  const { statement, version, recordedAt, fact } = data as {
    readonly statement: string;
    readonly version: number;
    readonly recordedAt: number;
    readonly fact: FactData;
  };
  return {
    ...{ tenant, userId, resourceId, type: factType, id, name: name as string, key: undefined, conversationId: undefined, version },
    ...{ content: statement, data: fact, position: 0, createdAt: new Date(recordedAt), expiresAt: undefined },
  };
}

export function newSourceLink(fact: FactRecord, [conversationId, messageId]: FactData["sources"][number]): NewRecord {
  return {
    ...linkOf(fact),
    type: sourceType,
    id: stableId(conversationId, messageId, fact.id),
    name: messageName(conversationId, messageId),
    conversationId,
  };
}

export function newDerivationLink(fact: FactRecord, parentId: string): NewRecord {
  return { ...linkOf(fact), type: derivationType, id: stableId(parentId, fact.id), name: parentId, conversationId: undefined };
}

/** Under which name the facts of a message are found. */
export const messageName = (conversationId: string, messageId: string) => stableId(conversationId, messageId);

/** Which fact a link leads to. */
export const linkedFact = ({ data }: StoredRecord): string => (data as { readonly factId: string }).factId;

function linkOf({ tenant, userId, resourceId, id, createdAt }: FactRecord) {
  return {
    ...{ tenant, userId, resourceId, createdAt },
    key: undefined,
    content: "",
    data: { factId: id },
    position: 0,
    expiresAt: undefined,
  };
}
