import { expect } from "vitest";
import type { NewRecord, RecordQuery, RecordStore, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";

/** An empty store that nothing else writes to, and what the suite may do around it. */
export interface RecordStorePlace {
  readonly store: RecordStore;
  /** Opens the same place once more, as another process would, also while the first is open. Needed by `durable`. */
  reopen?(): Promise<RecordStore>;
  /** Whether the client the store was given still answers; asked after `close`. */
  lentClientWorks?(): Promise<boolean>;
  /** Restarts the server behind the store, and resolves when it answers again. */
  restart?(): Promise<void>;
  /** Removes the place; called after the store was closed. */
  cleanup?(): Promise<void>;
}

export interface Tools {
  readonly store: () => RecordStore;
  /** The store, and another on the same data where that can be had. */
  readonly pair: () => Promise<readonly RecordStore[]>;
  readonly reopen: () => Promise<RecordStore>;
}

let tenants = 0;

/** A tenant no other test uses, in this process or another. */
export const newTenant = () => `tenant-${process.pid}-${Date.now().toString(36)}-${++tenants}`;

export const everything = (tenant: string): StoreScope => ({ tenant, userId: undefined, resourceId: undefined });

export const template: Omit<NewRecord, "tenant" | "id"> = {
  userId: "user",
  type: "note",
  resourceId: "agent",
  conversationId: undefined,
  name: undefined,
  key: undefined,
  content: "",
  data: {},
  position: 0,
  createdAt: new Date("2026-01-02T03:04:05.678Z"),
  expiresAt: undefined,
};

export function newRecord(tenant: string, id: string, fields: Partial<NewRecord> = {}): NewRecord {
  return { ...template, tenant, id, ...fields };
}

export const nameOf = ({ userId, type, id }: NewRecord) => ({ userId, type, id });

export const idsOf = (records: readonly { readonly id: string }[]) => records.map((record) => record.id);

export async function put(store: RecordStore, ...records: readonly NewRecord[]): Promise<readonly StoredRecord[]> {
  return (await store.write(records.map((record) => ({ put: record })))) as readonly StoredRecord[];
}

export async function find(store: RecordStore, { tenant, ...name }: Pick<NewRecord, "tenant" | "userId" | "type" | "id">) {
  const [found] = await store.get(tenant, [{ userId: name.userId, type: name.type, id: name.id }]);
  return found;
}

export const listing: RecordQuery = { orderBy: "createdAt", direction: "asc", limit: 1_000, cursor: undefined, offset: 0 };

export async function list(store: RecordStore, scope: StoreScope, query: Partial<RecordQuery> = {}): Promise<string[]> {
  return idsOf((await store.list(scope, { ...listing, ...query })).items);
}

/** Every page, by the cursors. */
export async function pages(store: RecordStore, scope: StoreScope, query: Partial<RecordQuery>, between?: () => Promise<unknown>) {
  const ids: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await store.list(scope, { ...listing, ...query, cursor });
    ids.push(...idsOf(page.items));
    expect(page.items.length).toBeLessThanOrEqual(query.limit ?? listing.limit);
    if (page.nextCursor === undefined) return ids;
    expect(page.items.length, "a page with a successor is not empty").toBeGreaterThan(0);
    cursor = page.nextCursor;
    await between?.();
  }
}

export async function expectConflict(work: Promise<unknown>): Promise<void> {
  const error: unknown = await work.then(
    () => new Error("it was done"),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: "ConflictError", code: "conflict" });
}
