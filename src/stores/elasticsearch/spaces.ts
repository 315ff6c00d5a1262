import { BackendError } from "../../domain/errors.ts";
import { owedAction } from "./conversation-log.ts";
import { type BulkAction, bulk, type Database, getMany, type Hit, searchPages } from "./database.ts";
import type { MessageDocument } from "./documents.ts";

/** Where the outbox keeps which vectors are owed. */
export const spaceId = "space";

interface SpaceDocument {
  readonly kind: "space";
  readonly name: string;
  /** Counts the spaces there were. */
  readonly space: number;
  /** Whether every message that was there is owed. */
  readonly is_complete: boolean;
}

/** The space vectors are owed of, if any, out of documents that were read along with others. */
export function currentSpace(found: ReadonlyMap<string, Hit<unknown>>): number | null {
  return (found.get(spaceId) as Hit<SpaceDocument> | undefined)?._source.space ?? null;
}

export async function adopt(database: Database, name: string, signal?: AbortSignal): Promise<void> {
  const { outbox } = database.names;
  for (let tries = 0; tries < 10; tries++) {
    const hit = (await getMany(database, "adopt", [{ _index: outbox, _id: spaceId }], signal)).get(spaceId) as
      | Hit<SpaceDocument>
      | undefined;
    const known = hit?._source;
    if (known?.name === name && known.is_complete) return;
    const space = known === undefined ? 1 : known.name === name ? known.space : known.space + 1;
    const write = (document: Omit<SpaceDocument, "kind">, seqNo?: number, primaryTerm?: number) => {
      const target = { _index: outbox, _id: spaceId };
      const action = seqNo === undefined ? { create: target } : { index: { ...target, if_seq_no: seqNo, if_primary_term: primaryTerm } };
      return bulk(database, "adopt", [{ action, document: { kind: "space", ...document } }], signal);
    };
    const [begun] = await write({ name, space, is_complete: false }, hit?._seq_no, hit?._primary_term);
    if (begun?.status === 409) continue;
    await oweEverything(database, space, signal);
    const [done] = await write({ name, space, is_complete: true }, begun?._seq_no, begun?._primary_term);
    if (done?.status !== 409) return;
  }
  throw new BackendError("elasticsearch", "adopt", "other processes keep choosing another embedding model: agree on one", {
    retryable: true,
  });
}

/** Takes off what was owed to an earlier space, and owes this one every message with text. */
async function oweEverything(database: Database, space: number, signal: AbortSignal | undefined): Promise<void> {
  const { outbox, messages } = database.names;
  await database.searchable.catchUp();
  const earlier = { bool: { filter: [{ term: { kind: "embed" } }, { range: { space: { lt: space } } }] } };
  await deleteFound(database, "adopt", outbox, earlier, signal);
  const body = {
    query: { term: { has_text: true } },
    _source: { excludes: ["words", "payload"] },
    sort: [{ conversation_key: "asc" }, { seq: "asc" }],
  };
  for await (const hits of searchPages<MessageDocument>(database, "adopt", messages, body, signal)) {
    const actions = hits.map(({ _source }): BulkAction => owedAction(outbox, _source, space, Date.now()));
    await bulk(database, "adopt", actions, signal);
  }
}

/** Deletes what a search of the outbox finds, page by page. */
export async function deleteFound(
  database: Database,
  operation: string,
  index: string,
  query: object,
  signal?: AbortSignal,
): Promise<void> {
  const body = { query, _source: false, sort: [{ conversation_key: "asc" }, { seq: "asc" }, { rev: "asc" }] };
  for await (const hits of searchPages<undefined>(database, operation, index, body, signal)) {
    await bulk(
      database,
      operation,
      hits.map(({ _id }) => ({ action: { delete: { _index: index, _id } } })),
      signal,
    );
  }
}
