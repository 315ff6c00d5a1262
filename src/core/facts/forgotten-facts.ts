import type { PlannedFact } from "../../domain/forgetting.ts";
import type { StoredRecord } from "../../domain/record-store.ts";
import { stableId } from "../../internal/stable-id.ts";
import type { MemoryCore } from "../memory-core.ts";
import { type FactChanges, type FactPlace, factChanges, getFacts, getForgotten, listAll, standingFacts } from "./fact-changes.ts";
import { derivationType, forgottenFact, forgottenFactType, keptFact, newSourceLink, type StoredFact, sourceType } from "./fact-record.ts";
import { joinSources } from "./new-fact.ts";
import { inTurn } from "./taking-turns.ts";

type Core = Pick<MemoryCore, "writers">;

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
  const facts = await getFacts(
    place,
    wanted.items.map(({ factId }) => factId),
  );
  const named = wanted.items.flatMap((item, index) => (facts[index] === undefined ? [] : [{ item, name: facts[index].name }]));
  let forgotten = 0;
  for (const [name, some] of Map.groupBy(named, (one) => one.name)) {
    place.signal?.throwIfAborted();
    const items = some.map(({ item }) => item);
    forgotten += await inTurn(core.writers, [place.tenant, place.userId, name], () => setAside(place, name, { ...wanted, items }));
  }
  return forgotten;
}

async function setAside(place: FactPlace, name: string, { planId, items, resourceId }: FactsToForget): Promise<number> {
  const facts = await getFacts(
    place,
    items.map(({ factId }) => factId),
  );
  const chosen = new Map<string, { readonly fact: StoredFact; readonly item: PlannedFact }>();
  for (const [index, item] of items.entries()) {
    const fact = facts[index];
    const isPlanned = fact?.version === item.version && fact.content === item.text && fact.name === name;
    if (isPlanned && (resourceId === undefined || fact.resourceId === resourceId)) chosen.set(fact.id, { fact, item });
  }
  if (chosen.size === 0) return 0;
  const timeline = await standingFacts(place, name);
  const changes = factChanges(place);
  for (const { fact, item } of chosen.values()) {
    changes.setAside(fact);
    changes.also({ put: forgottenFact(fact, { planId, reason: item.reason }) });
  }
  changes.arrange(
    timeline,
    timeline.filter(({ id }) => !chosen.has(id)),
  );
  await handOver(changes, place, [...chosen.values()], timeline);
  await changes.write();
  return chosen.size;
}

/** What says the same and stays is known from the messages of both. */
async function handOver(
  changes: FactChanges,
  place: FactPlace,
  chosen: readonly { readonly fact: StoredFact; readonly item: PlannedFact }[],
  timeline: readonly StoredFact[],
): Promise<void> {
  const heirs = Map.groupBy(chosen, ({ item }) => item.duplicateOf?.factId);
  const ids = [...heirs.keys()].filter((id) => id !== undefined);
  for (const heir of await getFacts(place, ids)) {
    if (heir === undefined || timeline.some(({ id }) => id === heir.id)) continue;
    const more = (heirs.get(heir.id) ?? []).flatMap(({ fact }) => (fact.resourceId === heir.resourceId ? fact.data.sources : []));
    // A fact that names no source is the user's own word, and goes with no message.
    if (heir.data.sources.length === 0) continue;
    const sources = joinSources(heir.data.sources, more);
    if (sources.length === heir.data.sources.length) continue;
    changes.change(heir, { ...heir, data: { ...heir.data, sources } });
    for (const source of sources.slice(heir.data.sources.length)) changes.also({ put: newSourceLink(heir, source) });
  }
}

/** Brings forgotten facts of one user back to their places in their timelines; how many there were. */
export async function restoreFacts(core: Core, place: FactPlace, forgotten: readonly StoredRecord[]): Promise<number> {
  let restored = 0;
  for (const [name, some] of Map.groupBy(forgotten, (one) => one.name as string)) {
    place.signal?.throwIfAborted();
    const ids = some.map(({ id }) => id);
    restored += await inTurn(core.writers, [place.tenant, place.userId, name], () => bringBack(place, name, ids));
  }
  return restored;
}

async function bringBack(place: FactPlace, name: string, ids: readonly string[]): Promise<number> {
  const [rows, live] = [await getForgotten(place, ids), await getFacts(place, ids)];
  const there = rows.filter((row, index) => row !== undefined && live[index] === undefined) as StoredRecord[];
  if (there.length === 0) return 0;
  const timeline = await standingFacts(place, name);
  const changes = factChanges(place);
  const facts = there.map(keptFact);
  for (const { version, ...fact } of facts) changes.bringBack(fact, version);
  const standing = facts.filter(({ data }) => data.retraction === null).map(({ version: _version, ...fact }) => fact);
  changes.arrange(timeline, [...timeline, ...standing]);
  dropRows(changes, place, there);
  await changes.write();
  return there.length;
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
