import type { RecordConditions, RecordOperation, RecordStore, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import { allRecords } from "../all-records.ts";
import { untilUnchanged } from "../until-unchanged.ts";
import {
  derivationType,
  type FactData,
  type FactRecord,
  factType,
  forgottenFactType,
  keptFact,
  linkedFact,
  onTimeline,
  recordOf,
  type StoredFact,
  storedFact,
  withEnding,
} from "./fact-record.ts";
import { endingsOf, holderOf } from "./timeline.ts";

/** Each page is sorted anew: one that holds what most users have is read once. */
const recordsAtOnce = 10_000;

/** Whose facts are read and written, and where. */
export interface FactPlace {
  readonly records: RecordStore;
  readonly tenant: string;
  readonly userId: string;
  readonly signal: AbortSignal | undefined;
}

/** Changes to facts that land together, against what was read. */
export interface FactChanges {
  /** Facts of one timeline as they were read, and as they shall be; their ends are worked out here. */
  arrange(before: readonly StoredFact[], after: readonly FactRecord[]): void;
  change(before: StoredFact, after: FactRecord): void;
  remove(fact: StoredFact): void;
  /** Takes a fact out that may come back: what was derived from it keeps its ground. */
  setAside(fact: StoredFact): void;
  /** Brings back a fact that was set aside; no version of it comes twice. */
  bringBack(fact: FactRecord, version: number): void;
  /** A fact that was set aside is gone for good: what was derived from it loses its ground. */
  lose(id: string): void;
  /** Nobody may have changed it meanwhile. */
  rely(fact: StoredFact): void;
  also(operation: RecordOperation): void;
  /** How many facts have something that ends them, and had nothing. */
  superseded(): number;
  /** Writes all of it, and marks what was derived from what no longer holds. Answers the facts written, by id. */
  write(): Promise<ReadonlyMap<string, StoredFact>>;
}

interface Draft {
  readonly before: StoredFact | undefined;
  readonly after: FactRecord | undefined;
}

export function factChanges(place: FactPlace): FactChanges {
  const drafts = new Map<string, Draft>();
  const relied = new Map<string, StoredFact>();
  const aside = new Set<string>();
  const versions = new Map<string, number>();
  const gone: string[] = [];
  const others: RecordOperation[] = [];

  function change(before: StoredFact | undefined, after: FactRecord | undefined): void {
    const id = (after ?? before)?.id as string;
    drafts.set(id, { before: drafts.get(id)?.before ?? before, after });
  }

  /** Facts that stop holding by these changes. */
  function lost(): string[] {
    const ended = [...drafts].flatMap(([id, { before, after }]) =>
      before !== undefined && holds(before) && !(after && holds(after)) && !aside.has(id) ? [id] : [],
    );
    return [...ended, ...gone];
  }

  async function markStale(): Promise<void> {
    const seen = new Set(lost());
    for (let parents = [...seen]; parents.length > 0; ) {
      const links = await listAll(place, { types: [derivationType], names: parents });
      const ids = [...new Set(links.map(linkedFact))].filter((id) => !seen.has(id));
      const children = (await getFacts(place, ids)).filter((fact) => fact !== undefined);
      parents = [];
      for (const child of children) {
        seen.add(child.id);
        const draft = drafts.get(child.id);
        const now = draft === undefined ? child : draft.after;
        if (now === undefined || now.data.isStale) continue;
        change(child, { ...now, data: { ...now.data, isStale: true } });
        parents.push(child.id);
      }
      for (const row of await getForgotten(place, ids)) {
        const child = row && keptFact(row);
        if (row === undefined || child === undefined || seen.has(row.id) || child.data.isStale) continue;
        seen.add(row.id);
        others.push(putAside(row, { ...child.data, isStale: true }));
        parents.push(row.id);
      }
    }
  }

  return {
    arrange(before, after) {
      const facts = after.filter(({ data }) => data.retraction === null);
      const endings = endingsOf(facts.map(onTimeline));
      const holder = holderOf(facts.map(onTimeline))?.id;
      for (const fact of facts) {
        const known = before.find(({ id }) => id === fact.id);
        const arranged = withEnding(fact, endings.get(fact.id) ?? { to: Number.POSITIVE_INFINITY, by: undefined }, fact.id === holder);
        if (known === undefined || !isSame(known, arranged)) change(known, arranged);
      }
      const holderBefore = before.find(({ key }) => key !== undefined);
      if (holderBefore !== undefined) relied.set(holderBefore.id, holderBefore);
    },
    change,
    remove: (fact) => change(fact, undefined),
    setAside(fact) {
      aside.add(fact.id);
      change(fact, undefined);
    },
    bringBack(fact, version) {
      versions.set(fact.id, version);
      change(undefined, fact);
    },
    lose: (id) => void gone.push(id),
    rely: (fact) => void relied.set(fact.id, fact),
    also: (operation) => void others.push(operation),
    superseded: () =>
      [...drafts.values()].filter(({ before, after }) => isStanding(before) && after !== undefined && !isStanding(after)).length,
    async write() {
      await markStale();
      const fallen = lost();
      const { tenant, userId } = place;
      const operations: RecordOperation[] = [];
      for (const [id, { before, after }] of drafts) {
        const ifVersion = before?.version ?? 0;
        const aboveVersion = versions.get(id);
        operations.push(
          after ? { put: recordOf(after), ifVersion, aboveVersion } : { delete: { tenant, userId, type: factType, id }, ifVersion },
        );
      }
      for (const [id, { version }] of relied)
        if (!drafts.has(id)) operations.push({ check: { tenant, userId, type: factType, id }, ifVersion: version });
      const written = await place.records.write([...operations, ...others], place.signal);
      const facts = [...drafts].flatMap(([id, { after }], index) =>
        after === undefined ? [] : [[id, storedFact(written[index] as StoredRecord)] as const],
      );
      await markLate(place, fallen);
      return new Map(facts);
    },
  };
}

/** Marks what was derived from these while they stopped holding: whoever did it found them as they were. */
async function markLate(place: FactPlace, gone: readonly string[]): Promise<void> {
  if (gone.length === 0) return;
  const links = await listAll(place, { types: [derivationType], names: gone });
  for (const id of new Set(links.map(linkedFact))) if (!gone.includes(id)) await markOne(place, id, gone);
}

function markOne(place: FactPlace, id: string, gone: readonly string[]): Promise<void> {
  return untilUnchanged(async () => {
    const [fact] = await getFacts(place, [id]);
    if (fact === undefined || fact.data.isStale || !fact.data.derivedFrom.some((parent) => gone.includes(parent))) return;
    const changes = factChanges(place);
    changes.change(fact, { ...fact, data: { ...fact.data, isStale: true } });
    await changes.write();
  });
}

/** Whether what is derived from a fact still has its ground. */
export function holds({ data }: FactRecord): boolean {
  return data.retraction === null && data.supersededAt === null && !data.isStale;
}

const isStanding = (fact: FactRecord | undefined) => fact !== undefined && fact.data.supersededAt === null;

function isSame(before: StoredFact, after: FactRecord): boolean {
  return before.key === after.key && JSON.stringify(before.data) === JSON.stringify(after.data);
}

/** Facts by id, in this order. */
export async function getFacts(
  { records, tenant, userId, signal }: FactPlace,
  ids: readonly string[],
): Promise<(StoredFact | undefined)[]> {
  if (ids.length === 0) return [];
  const found = await records.get(
    tenant,
    ids.map((id) => ({ userId, type: factType, id })),
    signal,
  );
  return found.map((record) => record && storedFact(record));
}

/** Facts that were set aside, by id, in this order. */
export async function getForgotten(
  { records, tenant, userId, signal }: FactPlace,
  ids: readonly string[],
): Promise<readonly (StoredRecord | undefined)[]> {
  if (ids.length === 0) return [];
  const names = ids.map((id) => ({ userId, type: forgottenFactType, id }));
  return records.get(tenant, names, signal);
}

/** A fact, or what is kept of it when it was forgotten: at one moment, so that it is not missed as it moves. */
export async function findEither(
  { records, tenant, userId, signal }: FactPlace,
  id: string,
): Promise<{ readonly fact: StoredFact | undefined; readonly forgotten: StoredRecord | undefined }> {
  const names = [factType, forgottenFactType].map((type) => ({ userId, type, id }));
  const [fact, forgotten] = await records.get(tenant, names, signal);
  return { fact: fact && storedFact(fact), forgotten };
}

/** Changes a fact that was set aside. */
export function putAside(row: StoredRecord, fact: FactData): RecordOperation {
  const { version, updatedAt: _updatedAt, ...record } = row;
  return { put: { ...record, data: { ...record.data, fact } }, ifVersion: version };
}

/** The facts of a timeline that count. */
export async function standingFacts(place: FactPlace, name: string): Promise<StoredFact[]> {
  return (await standingTimelines(place, [name]))[0] as StoredFact[];
}

/** The same of several timelines, in this order. */
export async function standingTimelines(place: FactPlace, names: readonly string[]): Promise<StoredFact[][]> {
  const found = (await listAll(place, { types: [factType], names })).map(storedFact);
  const byName = Map.groupBy(
    found.filter(({ data }) => data.retraction === null),
    ({ name }) => name,
  );
  return names.map((name) => byName.get(name) ?? []);
}

/** Every record of the user that matches, in order of creation. */
export async function listAll({ records, tenant, userId, signal }: FactPlace, conditions: RecordConditions): Promise<StoredRecord[]> {
  return listRecords(records, { tenant, userId, resourceId: undefined }, conditions, signal);
}

export function listRecords(
  records: RecordStore,
  scope: StoreScope,
  conditions: RecordConditions,
  signal: AbortSignal | undefined,
): Promise<StoredRecord[]> {
  return allRecords(records, scope, { ...conditions, orderBy: "createdAt", direction: "asc", limit: recordsAtOnce }, signal);
}
