import type { ArchiveEntry, ArchiveStore } from "../../domain/archive-store.ts";
import { encodeParts } from "../../domain/parts-codec.ts";
import { makeClock } from "../bigquery/append.ts";
import { removeSelected } from "../bigquery/deletion.ts";
import { bytesOf, insertMessages, type MessageRecord, mostStatementBytes } from "../bigquery/messages.ts";
import { openTables } from "../bigquery/opened.ts";
import type { BigqueryConnectionOptions } from "../bigquery/rest.ts";

export type { BigqueryClientLike, BigqueryCredentials } from "../bigquery/rest.ts";

/** Which BigQuery holds the copies, as for the session store. */
export interface BigqueryArchiveStoreOptions extends BigqueryConnectionOptions {}

/** A copy of every message in BigQuery, in the tables of the session store, for analytics and for good. */
export function bigqueryArchiveStore(options: BigqueryArchiveStoreOptions): ArchiveStore {
  const { opened, close, health } = openTables(options);
  const clock = makeClock();

  return {
    name: "bigquery",
    open: async (signal) => void (await opened(signal)),
    close,
    health,
    async write(entries, signal) {
      const rest = await opened(signal);
      for (const records of statements(entries.map((entry) => toRecord(entry, clock.next())))) await insertMessages(rest, records);
    },
    remove: async (selection, signal) => removeSelected(await opened(signal), selection, signal),
  };
}

/** A message written twice is one message: what was written last is what reads take. */
function toRecord({ tenant, message, resourceId, importance, toolIds }: ArchiveEntry, version: number): MessageRecord {
  const isCall = toolIds?.some((toolId) => toolId.startsWith("call:"));
  return {
    ...{ tenant, user_id: message.userId, conversation_id: message.conversationId, message_id: message.id, resource_id: resourceId },
    ...{ seq: message.seq, role: message.role, name: message.name ?? null, content: message.content },
    type: toolIds === null ? "text" : isCall ? "tool-call" : "tool-result",
    ...{ parts: encodeParts(message.parts), metadata: JSON.stringify(message.metadata) },
    ...{ tool_ids: toolIds === null ? null : JSON.stringify(toolIds), importance, created_at: message.createdAt.getTime(), version },
  };
}

/** As many records as fit a statement each. */
function statements(records: readonly MessageRecord[]): MessageRecord[][] {
  const parts: MessageRecord[][] = [];
  let bytes = mostStatementBytes;
  for (const record of records) {
    bytes += bytesOf([record]);
    if (bytes > mostStatementBytes) {
      parts.push([]);
      bytes = bytesOf([record]);
    }
    parts.at(-1)?.push(record);
  }
  return parts;
}
