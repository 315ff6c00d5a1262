import { NotFoundError } from "../../domain/errors.ts";
import type { StoredRecord } from "../../domain/record-store.ts";
import { stableId } from "../../internal/stable-id.ts";
import type { MemoryCore } from "../memory-core.ts";
import {
  type FactChanges,
  type FactPlace,
  factChanges,
  findEither,
  getFacts,
  holds,
  listAll,
  putAside,
  standingFacts,
} from "./fact-changes.ts";
import {
  derivationType,
  type FactData,
  type FactRecord,
  factType,
  keptFact,
  linkedFact,
  messageName,
  newDerivationLink,
  newSourceLink,
  onTimeline,
  readingType,
  type StoredFact,
  sourceType,
  storedFact,
} from "./fact-record.ts";
import { dropForgotten } from "./forgotten-facts.ts";
import { joinSources, type NewFact } from "./new-fact.ts";
import { inTurn } from "./taking-turns.ts";
import { factAt } from "./timeline.ts";

/** What became of a fact that was asserted. */
export interface Assertion {
  readonly fact: StoredFact;
  readonly isNew: boolean;
  /** How many facts it superseded. */
  readonly superseded: number;
}

type Core = Pick<MemoryCore, "writers">;
type EmbeddingCore = Pick<MemoryCore, "writers" | "recordEmbedding">;

/** Places a fact in its timeline, or adds its sources to the one that says the same. */
export async function assertFact(core: EmbeddingCore, place: FactPlace, fact: NewFact): Promise<Assertion> {
  const asserted = await inTurn(core.writers, [place.tenant, place.userId, fact.name], async (): Promise<Assertion> => {
    const known = await timelineFor(place, fact);
    const before = known.find(({ id }) => id === fact.id);
    if (before !== undefined) return { fact: before, isNew: true, superseded: 0 };
    const dated = withTimes(fact, known);
    const parents = await parentsOf(place, dated);
    const isStale = parents.some((parent) => !holds(parent));
    const placed: FactRecord = { ...dated, data: { ...dated.data, isStale } };
    const changes = factChanges(place);
    for (const parent of parents) changes.rely(parent);
    const same = sayingTheSame(placed, known);
    return same === undefined ? add(changes, placed, known) : confirm(place, changes, same, placed);
  });
  if (asserted.isNew) core.recordEmbedding.wake();
  return asserted;
}

async function add(changes: FactChanges, fact: FactRecord, known: readonly StoredFact[]): Promise<Assertion> {
  changes.arrange(known, [...known, fact]);
  addLinks(changes, fact, fact.data);
  const superseded = changes.superseded();
  const written = await changes.write();
  return { fact: written.get(fact.id) as StoredFact, isNew: true, superseded };
}

async function confirm(place: FactPlace, changes: FactChanges, known: StoredFact, fact: FactRecord): Promise<Assertion> {
  const derivedFrom = fact.data.derivedFrom.length === 0 ? known.data.derivedFrom : fact.data.derivedFrom;
  const data: FactData = {
    ...known.data,
    confidence: Math.max(known.data.confidence, fact.data.confidence),
    isUntrusted: known.data.isUntrusted && fact.data.isUntrusted,
    sources: joinSources(known.data.sources, fact.data.sources),
    derivedFrom,
    isStale: fact.data.isStale,
  };
  if (JSON.stringify(data) === JSON.stringify(known.data)) return { fact: known, isNew: false, superseded: 0 };
  changes.change(known, { ...known, data });
  for (const parent of known.data.derivedFrom)
    if (!derivedFrom.includes(parent)) dropLink(changes, place, derivationType, stableId(parent, known.id));
  addLinks(changes, known, fact.data);
  const written = await changes.write();
  return { fact: written.get(known.id) as StoredFact, isNew: false, superseded: 0 };
}

function addLinks(changes: FactChanges, fact: FactRecord, { sources, derivedFrom }: FactData): void {
  for (const source of sources) changes.also({ put: newSourceLink(fact, source) });
  for (const parent of derivedFrom) changes.also({ put: newDerivationLink(fact, parent) });
}

/** Gives a fact up. */
export async function retractFact(core: Core, place: FactPlace, id: string, reason: string): Promise<StoredFact | undefined> {
  return onFact(core, place, id, async (fact, timeline) => {
    if (fact.data.retraction !== null) return fact;
    const retracted = { ...fact, key: undefined, data: { ...fact.data, retraction: { at: Date.now(), reason }, isRetracted: true } };
    const changes = factChanges(place);
    changes.change(fact, retracted);
    changes.arrange(timeline, without(timeline, fact));
    return (await changes.write()).get(id);
  });
}

/** Deletes a fact with its links, also when it was forgotten. Whether it was there. */
export async function deleteFact(core: Core, place: FactPlace, id: string): Promise<boolean> {
  const remove = async (fact: StoredFact, timeline: readonly StoredFact[]) => {
    await removeFact(place, fact, timeline);
    return true;
  };
  const drop = async (forgotten: StoredRecord) => {
    await dropForgotten(place, [forgotten]);
    return true;
  };
  return (await onFact(core, place, id, remove, drop)) ?? false;
}

async function removeFact(place: FactPlace, fact: StoredFact, timeline: readonly StoredFact[]): Promise<void> {
  const changes = factChanges(place);
  changes.remove(fact);
  changes.arrange(timeline, without(timeline, fact));
  for (const source of fact.data.sources) dropLink(changes, place, sourceType, stableId(...source, fact.id));
  for (const parent of fact.data.derivedFrom) dropLink(changes, place, derivationType, stableId(parent, fact.id));
  for (const { id } of await listAll(place, { types: [derivationType], names: [fact.id] })) dropLink(changes, place, derivationType, id);
  await changes.write();
}

/**
 * Takes messages of a conversation, or all of it, from the sources of facts, and forgets that they were read; a fact without
 * any source left is deleted. How many facts it was about.
 */
export async function forgetSources(
  core: Core,
  place: FactPlace,
  conversationId: string,
  messageIds: readonly string[] | undefined,
): Promise<number> {
  const names = messageIds?.map((id) => messageName(conversationId, id));
  const links = await listAll(place, { types: [sourceType], conversationId, ...(names && { names }) });
  const ids = [...new Set(links.map(linkedFact))];
  const { records, tenant, userId, signal } = place;
  await records.erase({ tenant, userId, resourceId: undefined }, { types: [readingType], conversationId, ...(names && { names }) }, signal);
  for (const id of ids) await forgetFactSource(core, place, id, conversationId, messageIds);
  return ids.length;
}

/** Takes messages, or all of the conversation, from the sources of one fact. */
export async function forgetFactSource(
  core: Core,
  place: FactPlace,
  id: string,
  conversationId: string,
  messageIds: readonly string[] | undefined,
): Promise<void> {
  const isGone = ([conversation, message]: Source) => conversation === conversationId && (messageIds?.includes(message) ?? true);
  const forget = (fact: StoredFact, timeline: readonly StoredFact[]) => forgetSource(place, fact, timeline, isGone);
  await onFact(core, place, id, forget, (forgotten) => forgetSourceAside(place, forgotten, isGone));
}

type Source = FactData["sources"][number];

async function forgetSource(
  place: FactPlace,
  fact: StoredFact,
  timeline: readonly StoredFact[],
  isGone: (source: Source) => boolean,
): Promise<void> {
  const sources = fact.data.sources.filter((source) => !isGone(source));
  if (sources.length === fact.data.sources.length) return;
  if (sources.length === 0) return removeFact(place, fact, timeline);
  const changes = factChanges(place);
  changes.change(fact, { ...fact, data: { ...fact.data, sources } });
  for (const source of fact.data.sources.filter(isGone)) dropLink(changes, place, sourceType, stableId(...source, fact.id));
  await changes.write();
}

/** The same of a fact that was forgotten. */
async function forgetSourceAside(place: FactPlace, forgotten: StoredRecord, isGone: (source: Source) => boolean): Promise<void> {
  const { data } = keptFact(forgotten);
  const sources = data.sources.filter((source) => !isGone(source));
  if (sources.length === data.sources.length) return;
  if (sources.length === 0) return dropForgotten(place, [forgotten]);
  const changes = factChanges(place);
  changes.also(putAside(forgotten, { ...data, sources }));
  for (const source of data.sources.filter(isGone)) dropLink(changes, place, sourceType, stableId(...source, forgotten.id));
  await changes.write();
}

function dropLink(changes: FactChanges, { tenant, userId }: FactPlace, type: string, id: string): void {
  changes.also({ delete: { tenant, userId, type, id } });
}

/** Works on a fact and its timeline, or on what is kept of it when it was forgotten; undefined when it is not there. */
async function onFact<Value>(
  core: Core,
  place: FactPlace,
  id: string,
  work: (fact: StoredFact, timeline: readonly StoredFact[]) => Promise<Value>,
  workAside?: (forgotten: StoredRecord) => Promise<Value>,
): Promise<Value | undefined> {
  const found = await findEither(place, id);
  const name = (found.fact ?? found.forgotten)?.name;
  if (name === undefined) return undefined;
  return inTurn(core.writers, [place.tenant, place.userId, name], async () => {
    const { fact, forgotten } = await findEither(place, id);
    if (fact !== undefined) return work(fact, await standingFacts(place, fact.name));
    return forgotten && workAside?.(forgotten);
  });
}

const without = (timeline: readonly StoredFact[], { id }: StoredFact) => timeline.filter((one) => one.id !== id);

/** As much of the timeline as decides about a fact: what begins after all others meets only the last of them. */
async function timelineFor(place: FactPlace, fact: NewFact): Promise<StoredFact[]> {
  const [last] = (await listAll(place, { types: [factType], key: fact.name })).map(storedFact);
  if (last === undefined) return [];
  const isOpen = ({ data }: FactRecord) => !data.isEnd && data.statedTo === null;
  const { data } = withTimes(fact, [last]);
  const isLater = data.from !== null && data.from >= (last.data.from ?? Number.NEGATIVE_INFINITY);
  return isOpen(last) && isOpen(fact) && isLater ? [last] : standingFacts(place, fact.name);
}

/** What is learnt now is learnt after all that was known, whatever the clock says. */
function withTimes(fact: NewFact, known: readonly StoredFact[]): FactRecord {
  const { isSinceRecorded, isRecordedNow, ...record } = fact;
  const last = Math.max(...known.map(({ createdAt }) => createdAt.getTime()), 0);
  const createdAt = new Date(isRecordedNow ? Math.max(record.createdAt.getTime(), last + 1) : record.createdAt.getTime());
  // Of what was told in the same moment, the later word counts.
  while (known.some((one) => one.createdAt.getTime() === createdAt.getTime())) createdAt.setTime(createdAt.getTime() + 1);
  return { ...record, createdAt, data: { ...record.data, from: isSinceRecorded ? beginning(record.createdAt, known) : record.data.from } };
}

/** Now, or on a clock that is behind, when the last of what is true began. */
function beginning(now: Date, known: readonly StoredFact[]): number {
  const begun = known.flatMap(({ data: { from }, createdAt }) => (from !== null && from <= createdAt.getTime() ? from : []));
  return Math.max(now.getTime(), ...begun);
}

async function parentsOf(place: FactPlace, { data: { derivedFrom } }: FactRecord): Promise<StoredFact[]> {
  const parents = await getFacts(place, derivedFrom);
  return parents.map((parent, index) => {
    if (parent === undefined) throw new NotFoundError("fact", derivedFrom[index] as string);
    return parent;
  });
}

/** The fact known that leaves nothing to add, for as long as it lasts. */
function sayingTheSame(fact: FactRecord, known: readonly StoredFact[]): StoredFact | undefined {
  const { isEnd, value, statedTo } = fact.data;
  const from = fact.data.from ?? Number.NEGATIVE_INFINITY;
  const alike = known.filter(({ data }) => data.isEnd === isEnd && data.value === value);
  if (isEnd) {
    const standing = factAt(known.filter(({ data }) => !data.isEnd).map(onTimeline), from);
    const isOver = standing === undefined || standing.record.data.to !== null;
    return isOver ? alike.findLast(({ data }) => (data.from ?? Number.NEGATIVE_INFINITY) <= from) : undefined;
  }
  if (statedTo === null)
    return alike.find(
      ({ data }) => data.statedTo === null && (data.from ?? Number.NEGATIVE_INFINITY) <= from && (data.to === null || data.to > from),
    );
  if (fact.data.from === null) return alike.find(({ data }) => data.to !== null && data.to <= statedTo);
  return alike.find(({ data }) => data.from === from && data.statedTo === statedTo);
}
