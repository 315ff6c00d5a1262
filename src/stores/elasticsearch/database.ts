import { BackendError } from "../../domain/errors.ts";
import { abortable } from "../../internal/abort.ts";
import type { IndexNames } from "./indexes.ts";
import { type ElasticTransport, refused } from "./transport.ts";

/** An opened store: its server, its indexes, and what this process remembers. All of it can be lost without harm. */
export interface Database {
  readonly transport: ElasticTransport;
  readonly names: IndexNames;
  /** The analyzer of a conversation's language, or of the store's own. */
  readonly analyzerOf: (language: string | null, signal?: AbortSignal) => Promise<string>;
  readonly locks: Locks;
  readonly searchable: Searchable;
  /** By conversation: `rev` up to which its tail is in the messages' index. */
  readonly applied: RecentValues;
  /** By conversation: `rev` up to which its tail is found by searches. */
  readonly settled: RecentValues;
  /** By conversation: the `trimmed` that was met last. */
  readonly trimmed: RecentValues;
}

/** Numbers by key, the recent ones alone. */
export class RecentValues {
  readonly #values = new Map<string, number>();

  get(key: string): number {
    return this.#values.get(key) ?? 0;
  }

  set(key: string, value: number): void {
    this.#values.delete(key);
    if (this.#values.size >= 20_000) this.#values.delete(this.#values.keys().next().value as string);
    this.#values.set(key, value);
  }
}

/** Lets work on the same keys happen one after the other in this process: commits that are bound to collide are not tried. */
export class Locks {
  readonly #last = new Map<string, Promise<unknown>>();

  async hold<Value>(keys: readonly string[], work: () => Promise<Value>): Promise<Value> {
    // Taking a place in all queues at once is what keeps two holders from waiting for each other.
    const before = [...new Set(keys.map((key) => this.#last.get(key)))];
    const mine = (async () => {
      await Promise.all(before);
      return work();
    })();
    const done = mine.catch(() => {});
    for (const key of keys) this.#last.set(key, done);
    try {
      return await mine;
    } finally {
      for (const key of keys) if (this.#last.get(key) === done) this.#last.delete(key);
    }
  }
}

/**
 * Searches find what was written before the last refresh. The server refreshes every second by itself; when this process
 * has written since, it is asked to before a search, and never by the writes themselves.
 */
export class Searchable {
  readonly #refresh: () => Promise<unknown>;
  #written = 0;
  #refreshed = 0;
  #flight: { readonly covers: number; readonly done: Promise<unknown> } | undefined;

  constructor(refresh: () => Promise<unknown>) {
    this.#refresh = refresh;
  }

  noteWritten(): void {
    this.#written++;
  }

  /** Resolves when searches find all this process has written until now. */
  async catchUp(): Promise<void> {
    const wanted = this.#written;
    while (this.#refreshed < wanted) {
      this.#flight ??= this.#begin();
      const { done } = this.#flight;
      await done;
    }
  }

  #begin() {
    const covers = this.#written;
    const done = this.#refresh()
      .then(() => {
        this.#refreshed = Math.max(this.#refreshed, covers);
      })
      .finally(() => {
        this.#flight = undefined;
      });
    return { covers, done };
  }
}

/** A line of `_bulk` and its document. */
export interface BulkAction {
  readonly action: object;
  readonly document?: object | undefined;
}

export interface BulkItem {
  readonly status: number;
  readonly result?: string;
  readonly error?: { readonly type?: string };
  readonly _seq_no?: number;
  readonly _primary_term?: number;
}

/** Actions of one `_bulk` request: more would be held in memory by the server all at once. */
const mostActions = 2_000;
const mostBulkTries = 4;

/** Conflicts (409) and missing documents (404) are answers; a busy shard is asked again. */
export async function bulk(
  database: Database,
  operation: string,
  actions: readonly BulkAction[],
  signal?: AbortSignal,
): Promise<readonly BulkItem[]> {
  const items: BulkItem[] = [];
  for (let start = 0; start < actions.length; start += mostActions) {
    items.push(...(await bulkOnce(database, operation, actions.slice(start, start + mostActions), signal)));
  }
  return items;
}

async function bulkOnce(
  database: Database,
  operation: string,
  actions: readonly BulkAction[],
  signal: AbortSignal | undefined,
): Promise<readonly BulkItem[]> {
  const items: BulkItem[] = new Array(actions.length);
  let open = actions.map((_, index) => index);
  for (let tries = 1; open.length > 0; tries++) {
    const lines = open.flatMap((index) => {
      const { action, document } = actions[index] as BulkAction;
      return document === undefined ? [action] : [action, document];
    });
    const request = { method: "POST", path: "/_bulk", query: { filter_path: bulkFields }, lines, signal } as const;
    const { body } = await database.transport.request<{ items: readonly Record<string, BulkItem>[] }>(operation, request);
    database.searchable.noteWritten();
    body.items.forEach((item, position) => {
      items[open[position] as number] = Object.values(item)[0] as BulkItem;
    });
    open = open.filter((index) => [429, 503].includes((items[index] as BulkItem).status));
    if (open.length > 0 && tries === mostBulkTries) break;
    if (open.length > 0) await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** tries));
  }
  const failed = items.find(({ status }) => status >= 300 && status !== 404 && status !== 409);
  if (failed !== undefined) throw refused(operation, failed.status, failed);
  return items;
}

const bulkFields = "items.*.status,items.*.result,items.*.error.type,items.*._seq_no,items.*._primary_term";

/** A document as `_mget` and `_search` give it. */
export interface Hit<Source> {
  readonly _id: string;
  readonly _source: Source;
  readonly _score?: number | null;
  readonly _seq_no: number;
  readonly _primary_term: number;
  readonly sort?: readonly (string | number)[];
}

export interface Wanted {
  readonly _index: string;
  readonly _id: string;
  /** @default all but the words messages are found by */
  readonly _source?: readonly string[];
}

/** Documents by id, in one request, as they are this moment: no refresh is needed to see a write. */
export async function getMany(
  database: Database,
  operation: string,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<Map<string, Hit<unknown>>> {
  if (wanted.length === 0) return new Map();
  const docs = wanted.map(({ _index, _id, _source }) => ({ _index, _id, _source: _source ?? { excludes: ["words"] } }));
  const request = { method: "POST", path: "/_mget", body: { docs }, signal } as const;
  for (let tries = 1; ; tries++) {
    const { body } = await database.transport.request<{ docs: readonly GottenDocument[] }>(operation, request);
    const failed = body.docs.find(({ error }) => error !== undefined);
    if (failed === undefined) return new Map(body.docs.filter(({ found }) => found === true).map((document) => [document._id, document]));
    // A shard that is just being started, or moved.
    if (tries === mostReadTries) throw unavailable(operation, failed.error?.type);
    await abortable(new Promise((resolve) => setTimeout(resolve, 50 * 2 ** tries)), signal);
  }
}

const mostReadTries = 6;

interface GottenDocument extends Hit<unknown> {
  readonly found?: boolean;
  readonly error?: { readonly type?: string };
}

export interface SearchAnswer<Source> {
  readonly hits: readonly Hit<Source>[];
  readonly total: number | undefined;
  readonly aggregations: Readonly<Record<string, unknown>>;
}

interface SearchBody<Source> {
  readonly hits: { readonly hits: readonly Hit<Source>[]; readonly total?: { readonly value: number } };
  readonly aggregations?: Readonly<Record<string, unknown>>;
}

/** One search. A shard that fails fails it: part of an answer would pass for all of it. */
export async function search<Source>(
  database: Database,
  operation: string,
  index: string,
  body: object,
  signal?: AbortSignal,
): Promise<SearchAnswer<Source>> {
  const request = {
    method: "POST",
    path: `/${index}/_search`,
    query: { allow_partial_search_results: false },
    body: { track_total_hits: false, ...body },
    signal,
  } as const;
  const answer = await database.transport.request<SearchBody<Source>>(operation, request);
  const { hits, aggregations = {} } = answer.body;
  return { hits: hits.hits, total: hits.total?.value, aggregations };
}

/** Hits of one search are at most so many. */
export const mostHits = 5_000;

/** All hits, page by page in the order of `sort`, which must name each document. */
export async function* searchPages<Source>(
  database: Database,
  operation: string,
  index: string,
  body: { readonly sort: readonly object[] } & object,
  signal?: AbortSignal,
): AsyncGenerator<readonly Hit<Source>[]> {
  for (let after: readonly (string | number)[] | undefined; ; ) {
    const page = { size: 1_000, ...body, ...(after === undefined ? {} : { search_after: after }) };
    const { hits } = await search<Source>(database, operation, index, page, signal);
    if (hits.length > 0) yield hits;
    if (hits.length < page.size) return;
    after = hits.at(-1)?.sort;
  }
}

function unavailable(operation: string, kind: string | undefined): BackendError {
  const message = `${operation} could not read all shards (${kind}): repeat it, and check the health of the cluster`;
  return new BackendError("elasticsearch", operation, message, { code: "backend_unavailable", retryable: true });
}
