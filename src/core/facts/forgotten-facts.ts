import type { PlannedFact } from "../../domain/forgetting.ts";
import type { StoredRecord } from "../../domain/record-store.ts";
import { batchesOf } from "../../internal/batches.ts";
import { stableId } from "../../internal/stable-id.ts";
import type { MemoryCore } from "../memory-core.ts";
import { type FactChanges, type FactPlace, factChanges, getFacts, getForgotten, listAll, standingTimelines } from "./fact-changes.ts";
import {
  derivationType,
  type FactRecord,
  forgottenFact,
  forgottenFactType,
  keptFact,
  newSourceLink,
  type StoredFact,
  sourceType,
} from "./fact-record.ts";
import { joinSources } from "./new-fact.ts";
import { inTurn, inTurns } from "./taking-turns.ts";

type Core = Pick<MemoryCore, "writers">;

const changedAtOnce = 100;

/** Facts of one user that a plan names. */
export interface FactsToForget {
  readonly planId: string;
  readonly items: readonly PlannedFact[];
  /** Only facts of this one. Undefined: of any. */
  readonly resourceId: string | undefined;
}

/**
 * Sets facts aside, those of one timeline together: what they had superseded holds again, and what was derived from them
 * stays as it is. What was changed since it was planned is passed over. How many it was.
 */
export async function forgetFacts(core: Core, place: FactPlace, wanted: FactsToForget): Promise<number> {
  const facts = await getFacts(place, wanted.items.map(factIdOf));
  const named = wanted.items.flatMap((item, index) => (facts[index] === undefined ? [] : [{ item, name: facts[index].name }]));
  let forgotten = 0;
  for (const some of byTimelines(named)) {
    place.signal?.throwIfAborted();
    const items = some.map(({ item }) => item);
    const names = namesOf(some);
    forgotten += await onTimelines(core, place, names, () => setAside(place, names, { ...wanted, items }));
  }
  return forgotten;
}

/** A fact that a plan names, as it was planned. */
interface Chosen {
  readonly fact: StoredFact;
  readonly item: PlannedFact;
}

async function setAside(place: FactPlace, names: readonly string[], { planId, items, resourceId }: FactsToForget): Promise<number> {
  const facts = await getFacts(place, items.map(factIdOf));
  const chosen = new Map<string, Chosen>();
  for (const [index, item] of items.entries()) {
    const fact = facts[index];
    const isPlanned = fact?.version === item.version && fact.content === item.text && names.includes(fact.name);
    if (isPlanned && (resourceId === undefined || fact.resourceId === resourceId)) chosen.set(fact.id, { fact, item });
  }
  if (chosen.size === 0) return 0;
  const changes = factChanges(place);
  for (const { fact, item } of chosen.values()) {
    changes.setAside(fact);
    changes.also({ put: forgottenFact(fact, { planId, reason: item.reason }) });
  }
  const heirs = await handOver(changes, place, [...chosen.values()]);
  for (const timeline of await standingTimelines(place, names)) {
    const staying = timeline.filter(({ id }) => !chosen.has(id));
    changes.arrange(
      timeline,
      staying.map((fact) => heirs.get(fact.id) ?? fact),
    );
  }
  await changes.write();
  return chosen.size;
}

/** What says the same and stays is known from the messages of both. Answers those that are so now. */
async function handOver(changes: FactChanges, place: FactPlace, chosen: readonly Chosen[]): Promise<ReadonlyMap<string, FactRecord>> {
  const groups = Map.groupBy(chosen, ({ item }) => item.duplicateOf?.factId);
  const heirs = new Map<string, FactRecord>();
  for (const heir of await getFacts(
    place,
    [...groups.keys()].filter((id) => id !== undefined),
  )) {
    // A fact that names no source is the user's own word, and goes with no message.
    if (heir === undefined || heir.data.sources.length === 0 || chosen.some(({ fact }) => fact.id === heir.id)) continue;
    const more = (groups.get(heir.id) ?? []).flatMap(({ fact }) => (fact.resourceId === heir.resourceId ? fact.data.sources : []));
    const sources = joinSources(heir.data.sources, more);
    if (sources.length === heir.data.sources.length) continue;
    const after = { ...heir, data: { ...heir.data, sources } };
    heirs.set(heir.id, after);
    changes.change(heir, after);
    for (const source of sources.slice(heir.data.sources.length)) changes.also({ put: newSourceLink(heir, source) });
  }
  return heirs;
}

/** Brings forgotten facts of one user back to their places in their timelines; how many there were. */
export async function restoreFacts(core: Core, place: FactPlace, forgotten: readonly StoredRecord[]): Promise<number> {
  let restored = 0;
  for (const some of byTimelines(forgotten.map(({ id, name }) => ({ id, name: name as string })))) {
    place.signal?.throwIfAborted();
    const ids = some.map(({ id }) => id);
    const names = namesOf(some);
    restored += await onTimelines(core, place, names, () => bringBack(place, names, ids));
  }
  return restored;
}

async function bringBack(place: FactPlace, names: readonly string[], ids: readonly string[]): Promise<number> {
  const [rows, live] = [await getForgotten(place, ids), await getFacts(place, ids)];
  const there = rows.filter((row, index) => row !== undefined && live[index] === undefined) as StoredRecord[];
  if (there.length === 0) return 0;
  const changes = factChanges(place);
  const facts = there.map(keptFact).map(({ version, ...fact }) => {
    changes.bringBack(fact, version);
    return fact;
  });
  const standing = Map.groupBy(
    facts.filter(({ data }) => data.retraction === null),
    ({ name }) => name,
  );
  for (const [index, timeline] of (await standingTimelines(place, names)).entries())
    changes.arrange(timeline, [...timeline, ...(standing.get(names[index] as string) ?? [])]);
  dropRows(changes, place, there);
  await changes.write();
  return there.length;
}

const factIdOf = ({ factId }: PlannedFact) => factId;

const namesOf = (some: readonly { readonly name: string }[]) => [...new Set(some.map(({ name }) => name))];

/** Batches in which timelines are whole. */
function* byTimelines<Item extends { readonly name: string }>(items: readonly Item[]): Generator<Item[]> {
  const timelines = Map.groupBy(items, ({ name }) => name).values();
  for (const some of batchesOf(timelines, { count: changedAtOnce, size: changedAtOnce }, ({ length }) => length)) yield some.flat();
}

function onTimelines<Value>(core: Core, { tenant, userId }: FactPlace, names: readonly string[], round: () => Promise<Value>) {
  return inTurns(
    core.writers,
    names.map((name) => [tenant, userId, name]),
    round,
  );
}

/** Deletes forgotten facts of one user for good; how many there were. */
export async function purgeFacts(core: Core, place: FactPlace, forgotten: readonly StoredRecord[]): Promise<number> {
  return inTurn(core.writers, [place.tenant, place.userId, forgottenFactType], async () => {
    const rows = await getForgotten(
      place,
      forgotten.map(({ id }) => id),
    );
    const there = rows.filter((row) => row !== undefined);
    if (there.length > 0) await dropForgotten(place, there);
    return there.length;
  });
}

/** Deletes forgotten facts with their links: what was derived from them is stale. */
export async function dropForgotten(place: FactPlace, forgotten: readonly StoredRecord[]): Promise<void> {
  const { tenant, userId } = place;
  const changes = factChanges(place);
  const drop = (type: string, id: string) => changes.also({ delete: { tenant, userId, type, id } });
  dropRows(changes, place, forgotten);
  for (const { id, data } of forgotten.map(keptFact)) {
    changes.lose(id);
    for (const source of data.sources) drop(sourceType, stableId(...source, id));
    for (const parent of data.derivedFrom) drop(derivationType, stableId(parent, id));
  }
  const names = forgotten.map(({ id }) => id);
  for (const { id } of await listAll(place, { types: [derivationType], names })) drop(derivationType, id);
  await changes.write();
}

function dropRows(changes: FactChanges, { tenant, userId }: FactPlace, rows: readonly StoredRecord[]): void {
  for (const { id, version } of rows) changes.also({ delete: { tenant, userId, type: forgottenFactType, id }, ifVersion: version });
}
