import { textRevision } from "../../domain/search-text.ts";
import type { Outbox, OutboxItem, OwedRemoval, OwedVector } from "../../domain/session-store.ts";
import { type ConversationDocument, findMessage, type MessageDocument, toStored } from "../conversation-documents/document.ts";

/** Removals name at most so many messages each. */
const removalSize = 1_000;

/** What is owed; the message itself is read when it is leased. */
type Owed = { readonly messageId: string; readonly document: ConversationDocument } & Pick<OwedVector, "kind" | "revision">;
type Removal = Pick<OwedRemoval, "kind" | "tenant" | "userId" | "conversationId" | "messageIds">;

interface Entry {
  readonly owed: Owed | Removal;
  attempts: number;
  dueAt: number;
  error: string | undefined;
}

/** What a vector store is owed, beside the conversations of this process. */
export interface ProcessOutbox {
  readonly outbox: Outbox;
  noteWritten(document: ConversationDocument, message: MessageDocument, brought: boolean): void;
  noteRemoved(document: ConversationDocument, messages: readonly MessageDocument[]): void;
}

/** @param enter checks each call: whether the store is open and the signal is quiet */
export function processOutbox(
  all: () => Iterable<ConversationDocument>,
  find: (tenant: string, conversationId: string) => ConversationDocument | undefined,
  enter: (signal?: AbortSignal) => void,
): ProcessOutbox {
  const entries = new Map<string, Entry>();
  let space: string | undefined;
  let removals = 0;

  const put = (key: string, owed: Entry["owed"]) => {
    // At the end again: what is owed anew is not the oldest any more.
    entries.delete(key);
    entries.set(key, { owed, attempts: 0, dueAt: Date.now(), error: undefined });
  };

  function oweVector(document: ConversationDocument, message: MessageDocument): void {
    if (message.text === "") return;
    put(keyOf(document, message.id), { kind: "embed", messageId: message.id, document, revision: textRevision(message) });
  }

  function toItem(key: string, { owed, attempts }: Entry): OutboxItem | undefined {
    if (owed.kind === "forget") return { ...owed, key, attempts, messageIds: [...owed.messageIds] };
    const { document, messageId, revision } = owed;
    const message = findMessage(document, messageId);
    if (message === undefined) return undefined;
    const { tenant, userId, id: conversationId } = document;
    return { kind: "embed", key, tenant, userId, conversationId, attempts, message: toStored(document, message), revision };
  }

  /** The entry an item was leased from, while it is about the same text. */
  const heldBy = (item: OutboxItem): Entry | undefined => {
    const entry = entries.get(item.key);
    return entry?.owed.kind === "embed" && item.kind === "embed" && entry.owed.revision !== item.revision ? undefined : entry;
  };

  const ownerOf = ({ owed }: Entry) => (owed.kind === "embed" ? owed.document : owed);

  const outbox: Outbox = {
    async adopt(name, signal) {
      enter(signal);
      if (name === space) return;
      space = name;
      for (const document of all()) for (const message of document.messages) oweVector(document, message);
    },
    async lease(limit, leaseMs, which, signal) {
      enter(signal);
      const now = Date.now();
      const items: OutboxItem[] = [];
      for (const [key, entry] of entries) {
        if (items.length >= limit) break;
        const isDue = entry.dueAt <= now || (which.failed && entry.error !== undefined);
        if (!isDue || !which.kinds.includes(entry.owed.kind)) continue;
        Object.assign(entry, { attempts: entry.attempts + 1, dueAt: now + leaseMs, error: undefined });
        const item = toItem(key, entry);
        if (item !== undefined) items.push(item);
      }
      return items;
    },
    async renew(items, leaseMs) {
      enter();
      for (const entry of items.map(heldBy)) if (entry !== undefined) entry.dueAt = Date.now() + leaseMs;
    },
    async settle(items, signal) {
      enter(signal);
      const changed = items.filter((item) => item.kind === "embed" && heldBy(item) === undefined);
      for (const item of items) if (heldBy(item) !== undefined) entries.delete(item.key);
      return changed;
    },
    async fail(items, error, retryAt) {
      enter();
      for (const entry of items.map(heldBy)) if (entry !== undefined) Object.assign(entry, { dueAt: retryAt.getTime(), error });
    },
    async owe(tenant, references, signal) {
      enter(signal);
      for (const { userId, conversationId, messageId } of references) {
        const document = find(tenant, conversationId);
        const message = document?.userId === userId ? findMessage(document, messageId) : undefined;
        if (document !== undefined && message !== undefined) oweVector(document, message);
      }
    },
    async count(scope, kinds, signal) {
      enter(signal);
      const those = [...entries.values()].filter((entry) => {
        const { tenant, userId } = ownerOf(entry);
        return kinds.includes(entry.owed.kind) && (scope?.tenant ?? tenant) === tenant && (scope?.userId ?? userId) === userId;
      });
      const failing = those.filter(({ error }) => error !== undefined);
      const next = those.reduce((least, { dueAt }) => Math.min(least, dueAt), Number.POSITIVE_INFINITY);
      return {
        pending: those.length,
        failing: failing.length,
        lastError: failing.at(-1)?.error,
        nextDueInMs: those.length === 0 ? undefined : next - Date.now(),
      };
    },
  };

  return {
    outbox,
    noteWritten(document, message, brought) {
      if (brought || message.text === "") entries.delete(keyOf(document, message.id));
      else if (space !== undefined) oweVector(document, message);
    },
    noteRemoved(document, messages) {
      const { tenant, userId, id: conversationId } = document;
      for (const { id } of messages) entries.delete(keyOf(document, id));
      if (space === undefined) return;
      const ids = messages.filter(({ text }) => text !== "").map(({ id }) => id);
      for (let start = 0; start < ids.length; start += removalSize) {
        const messageIds = ids.slice(start, start + removalSize);
        put(`removal ${++removals}`, { kind: "forget", tenant, userId, conversationId, messageIds });
      }
    },
  };
}

const keyOf = ({ tenant, userId, id }: ConversationDocument, messageId: string) => JSON.stringify([tenant, userId, id, messageId]);
