import type { RecordStore } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { type FoundRecord, type RecordSearch, searchRecords } from "../records/query-records.ts";
import { listRecords } from "./fact-changes.ts";
import { factType, onTimeline, type StoredFact, storedFact } from "./fact-record.ts";
import { compareOnTimeline, factAt } from "./timeline.ts";

/** Which facts a question is about; keys are in their normal form. */
export interface FactFilter {
  readonly subjectKey?: string | undefined;
  readonly predicate?: string | undefined;
}

export interface FactReader {
  readonly records: RecordStore;
  readonly scope: StoreScope;
  readonly signal: AbortSignal | undefined;
}

/** The conditions of a filter; fields that are undefined are no condition. */
export function conditionsOf({ subjectKey, predicate }: FactFilter) {
  const wanted = Object.entries({ subjectKey, predicate }).flatMap(([field, value]) => (value === undefined ? [] : [[field, value]]));
  return { types: [factType], ...(wanted.length === 0 ? {} : { filter: Object.fromEntries(wanted) as Record<string, string> }) };
}

/** What was true at a time, as is known now. */
export async function factsTrueAt(reader: FactReader, filter: FactFilter, time: number): Promise<StoredFact[]> {
  const found = await readFacts(reader, filter, { positionFrom: time + 1 });
  const begun = found.filter(({ data }) => (data.from ?? Number.NEGATIVE_INFINITY) <= time).map(onTimeline);
  return newestFirst(
    perTimeline(begun.map(({ record }) => record)).flatMap((facts) => facts.map(onTimeline).sort(compareOnTimeline).at(-1)?.record ?? []),
  );
}

/** What was held to be true of a time, by what was known at another. */
export async function factsKnownAt(reader: FactReader, filter: FactFilter, time: number, knownAt: number): Promise<StoredFact[]> {
  const known = (await readFacts(reader, filter, {})).filter(
    ({ createdAt, data: { retraction } }) => createdAt.getTime() <= knownAt && (retraction === null || retraction.at > knownAt),
  );
  return newestFirst(perTimeline(known).flatMap((facts) => factAt(facts.map(onTimeline), time)?.record ?? []));
}

/** All there is, in the order in which it was true. */
export async function factHistory(reader: FactReader, filter: FactFilter): Promise<StoredFact[]> {
  const facts = (await readFacts(reader, filter, {})).map(onTimeline);
  return facts.sort(compareOnTimeline).map(({ record }) => record);
}

/** Facts that are like a query, by meaning and by words, best first. */
export async function searchFacts(
  { records, scope, signal }: FactReader,
  filter: FactFilter,
  search: Omit<RecordSearch, "signal"> & { readonly past: boolean },
): Promise<FoundRecord[]> {
  const { past, limit } = search;
  const conditions = { ...conditionsOf(filter), ...(past ? {} : { positionFrom: Date.now() + 1 }) };
  // What begins later, or was given up, is taken out of what is found.
  const found = await searchRecords(records, scope, conditions, { ...search, limit: 2 * limit, signal });
  return found.filter(({ record }) => isSearched(storedFact(record), past)).slice(0, limit);
}

function isSearched({ data }: StoredFact, past: boolean): boolean {
  return data.retraction === null && !data.isEnd && (past || (data.from ?? 0) <= Date.now());
}

async function readFacts(
  { records, scope, signal }: FactReader,
  filter: FactFilter,
  more: { readonly positionFrom?: number },
): Promise<StoredFact[]> {
  return (await listRecords(records, scope, { ...conditionsOf(filter), ...more }, signal)).map(storedFact);
}

/** Facts by timeline: those of other users apart, too. */
function perTimeline(facts: readonly StoredFact[]): StoredFact[][] {
  return [...Map.groupBy(facts, ({ userId, name }) => JSON.stringify([userId, name])).values()];
}

function newestFirst(facts: readonly StoredFact[]): StoredFact[] {
  return [...facts].sort((left, right) => right.createdAt.getTime() - left.createdAt.getTime());
}
