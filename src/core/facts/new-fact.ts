import { randomUUID } from "node:crypto";
import { InvalidArgumentError } from "../../domain/errors.ts";
import type { FactInput, FactSource, FactTime } from "../../domain/facts.ts";
import { stableId } from "../../internal/stable-id.ts";
import { validateId } from "../messages/normalize-message.ts";
import { parseFlag, parseText, parseTime } from "../validate.ts";
import { type FactData, type FactRecord, factType } from "./fact-record.ts";

const mostSources = 1_000;
const mostParents = 100;

/** Whose fact it is. */
export interface FactOwner {
  readonly tenant: string;
  readonly userId: string;
  readonly resourceId: string;
}

/** A fact as a caller asserts it, checked and ready to be placed. */
export interface NewFact extends FactRecord {
  /** Nobody said since when: from the moment it is recorded. */
  readonly isSinceRecorded: boolean;
  /** Nobody said when it was learnt: now. */
  readonly isRecordedNow: boolean;
}

/**
 * @param single the predicates that have one value at a time, in their normal form
 * @throws InvalidArgumentError
 */
export function newFact(owner: FactOwner, input: FactInput, single: ReadonlySet<string>): NewFact {
  if (typeof input !== "object" || input === null) throw new InvalidArgumentError("fact", "must be an object");
  const subject = requiredText("subject", input.subject ?? "user", 256);
  const subjectKey = comparable(subject);
  const predicate = input.predicate === undefined ? null : normalPredicate(input.predicate);
  const object = input.object === undefined ? null : requiredText("object", input.object, 2_000);
  const isEnd = parseFlag("isEnd", input.isEnd) ?? false;
  const isSingle = predicate !== null && (parseFlag("single", input.single) ?? single.has(predicate));
  if (predicate === null && object !== null) throw new InvalidArgumentError("predicate", "is required beside an object");
  if (predicate !== null && object === null && !(isEnd && isSingle))
    throw new InvalidArgumentError("object", "is required: what is it that the predicate says of the subject?");
  const statement = requiredText("statement", input.statement ?? sentence(subject, predicate, object, isEnd), 4_000);
  const value = predicate === null ? comparable(statement) : object === null ? null : comparable(object);
  const { tenant, userId, resourceId } = owner;
  const path = predicate === null ? ["statement", value ?? ""] : isSingle ? ["single", predicate] : ["any", predicate, value ?? ""];
  const recordedAt = parseTime("recordedAt", input.recordedAt);
  const from = input.validFrom === null ? null : (parseTime("validFrom", input.validFrom)?.getTime() ?? null);
  const statedTo = parseTime("validTo", input.validTo)?.getTime() ?? null;
  if (from !== null && statedTo !== null && statedTo <= from) throw new InvalidArgumentError("validTo", "must be after validFrom");
  if (isEnd && statedTo !== null)
    throw new InvalidArgumentError("validTo", "means nothing for an end: it is no longer so from validFrom on");
  return {
    ...{ tenant, userId, resourceId, type: factType, id: randomUUID() },
    conversationId: undefined,
    name: stableId(resourceId, subjectKey, ...path),
    key: undefined,
    content: statement,
    data: {
      ...{ subject, subjectKey, predicate, object, isEnd, value, from, statedTo },
      confidence: parseConfidence(input.confidence),
      isUntrusted: parseFlag("isUntrusted", input.isUntrusted) ?? false,
      to: statedTo,
      supersededAt: null,
      supersededBy: null,
      retraction: null,
      isRetracted: false,
      derivedFrom: parseParents(input.derivedFrom),
      isStale: false,
      sources: parseSources(input.sources),
    },
    position: 0,
    createdAt: recordedAt ?? new Date(),
    expiresAt: undefined,
    isSinceRecorded: input.validFrom === undefined && statedTo === null,
    isRecordedNow: recordedAt === undefined,
  };
}

/** Both sources, each once. */
export function joinSources(known: FactData["sources"], more: FactData["sources"]): FactData["sources"] {
  const all = new Map([...known, ...more].map((source) => [JSON.stringify(source), source]));
  return [...all.values()].slice(0, mostSources);
}

/** `lives in`, `Lives-In` and `lives_in` are one predicate. */
export function normalPredicate(predicate: string): string {
  const text = requiredText("predicate", predicate, 100);
  const normal = comparable(text).replace(/[\s_-]+/gu, "_");
  if (normal === "_" || normal === "") throw new InvalidArgumentError("predicate", "must hold a word");
  return normal;
}

/** What two texts share that say the same: without case, double spaces and a full stop. */
export function comparable(text: string): string {
  const plain = text.normalize("NFKC").toLowerCase().replace(/\s+/gu, " ").trim();
  return plain.replace(/[.!]+$/u, "").trim() || plain;
}

export function parseFactTime(field: string, time: FactTime): Date {
  const date = parseTime(field, time);
  if (date === undefined) throw new InvalidArgumentError(field, "is required: pass a Date, an ISO 8601 string or epoch milliseconds");
  return date;
}

function requiredText(field: string, text: string, longest: number): string {
  const parsed = parseText(field, text, longest)?.trim();
  if (parsed === undefined || parsed === "") throw new InvalidArgumentError(field, "must be a string that is not empty");
  return parsed;
}

function sentence(subject: string, predicate: string | null, object: string | null, isEnd: boolean): string {
  if (predicate === null) throw new InvalidArgumentError("statement", "is required without a predicate: what is it that is known?");
  const words = [subject, predicate.replaceAll("_", " "), ...(object === null ? [] : [object])].join(" ");
  return isEnd ? `no longer: ${words}` : words;
}

function parseConfidence(confidence = 1): number {
  if (typeof confidence !== "number" || !(confidence >= 0 && confidence <= 1))
    throw new InvalidArgumentError("confidence", "must be a number from 0 to 1");
  return confidence;
}

function parseSources(sources: readonly FactSource[] = []): FactData["sources"] {
  if (!Array.isArray(sources) || sources.length > mostSources)
    throw new InvalidArgumentError("sources", `must be an array of at most ${mostSources} { conversationId, messageId }`);
  const parsed = sources.map((source: FactSource | null, index) => {
    validateId(`sources[${index}].conversationId`, source?.conversationId);
    validateId(`sources[${index}].messageId`, source?.messageId);
    return [source.conversationId, source.messageId] as const;
  });
  return joinSources([], parsed);
}

function parseParents(ids: readonly string[] = []): readonly string[] {
  if (!Array.isArray(ids) || ids.length > mostParents)
    throw new InvalidArgumentError("derivedFrom", `must be an array of at most ${mostParents} ids of facts`);
  for (const [index, id] of ids.entries()) validateId(`derivedFrom[${index}]`, id);
  return [...new Set(ids)];
}
