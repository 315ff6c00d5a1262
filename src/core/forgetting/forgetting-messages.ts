import type { CallOptions } from "../../domain/call-options.ts";
import type { PlannedMessage } from "../../domain/forgetting.ts";
import type { NewRecord, RecordStore, StoredRecord } from "../../domain/record-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { MessageReference, StoredMessage } from "../../domain/session-store.ts";
import type { MemoryCore } from "../memory-core.ts";
import { forgottenMessageType, messageDigest } from "../message-history.ts";
import { messages as messagesOf } from "../messages.ts";
import { byConversation, changeMessages, type MessageChange, rewriteMessages } from "../rewrite-messages.ts";
import type { ForgettingKind } from "./kind.ts";

/** Messages stay in their conversations without their texts, which are kept aside. */
export function forgettingMessages(core: MemoryCore, scope: StoreScope): ForgettingKind<PlannedMessage> {
  const { tenant } = scope;
  const changing = <Value>(some: readonly MessageReference[], signal: AbortSignal | undefined, change: MessageChange<Value>) =>
    changeMessages(core, scope, some, change, signal);

  async function forget(planId: string, items: readonly PlannedMessage[], signal: AbortSignal | undefined): Promise<number> {
    await core.open();
    const records = await core.records.open();
    let forgotten = 0;
    for (const some of byConversation(items)) {
      signal?.throwIfAborted();
      forgotten += await changing(some, signal, async (stored) => {
        const texts = new Map(some.map((item) => [item.messageId, item]));
        const same = stored.filter(({ message }) => message.content !== "" && message.content === texts.get(message.id)?.text);
        const puts = same.map((one) => ({ put: forgottenRecord(tenant, planId, one, texts.get(one.message.id) as PlannedMessage) }));
        // The text is kept before it goes: after a crash in between, nothing is lost.
        if (puts.length > 0) await records.write(puts, signal);
        const silent = same.map(({ message, importance }) => ({ message, content: "", importance }));
        await rewriteMessages(core, tenant, silent);
        return same.length;
      });
    }
    return forgotten;
  }

  async function restore(records: RecordStore, rows: readonly StoredRecord[], { signal }: CallOptions): Promise<number> {
    await core.open();
    let restored = 0;
    for (const some of byConversation(rows.map(toKept))) {
      signal?.throwIfAborted();
      restored += await changing(some, signal, async (stored) => {
        const before = new Map(some.map((one) => [one.messageId, one]));
        const silent = stored.filter(({ message }) => message.content === "");
        const rewritten = silent.map(({ message }) => {
          const { text, importance } = before.get(message.id) as Kept;
          return { message, content: text, importance };
        });
        await rewriteMessages(core, tenant, rewritten);
        await forgetRecords(records, some);
        return silent.length;
      });
    }
    return restored;
  }

  async function purge(records: RecordStore, rows: readonly StoredRecord[], { signal }: CallOptions): Promise<number> {
    await core.open();
    let purged = 0;
    for (const some of byConversation(rows.map(toKept))) {
      signal?.throwIfAborted();
      const [{ userId, conversationId } = { userId: "", conversationId: "" }] = some;
      const stored = await core.store.getMessages(scope, some, signal);
      const silent = stored.filter(({ message }) => message.content === "").map(({ message }) => message.id);
      // Their records go with the messages; the others were changed since and are forgotten no more.
      if (silent.length > 0) purged += await messagesOf(core, { ...scope, userId }).delete(conversationId, silent, { signal });
      await forgetRecords(records, some);
    }
    return purged;
  }

  function forgetRecords(records: RecordStore, some: readonly Kept[]): Promise<unknown> {
    const ops = some.map(({ userId, conversationId, messageId }) => {
      return { delete: { tenant, userId, type: forgottenMessageType, id: messageDigest([conversationId, messageId]) } };
    });
    return records.write(ops);
  }

  return {
    type: forgottenMessageType,
    forget,
    show(row) {
      const { importance: _importance, ...shown } = toKept(row);
      return { kind: "message", ...shown };
    },
    restore,
    purge,
  };
}

function forgottenRecord(
  tenant: string,
  planId: string,
  { message, resourceId, importance }: StoredMessage,
  { reason, text }: PlannedMessage,
): NewRecord {
  const { id: messageId, userId, conversationId } = message;
  return {
    ...{ tenant, userId, type: forgottenMessageType, id: messageDigest([conversationId, messageId]) },
    ...{ resourceId, conversationId, name: messageDigest([messageId]), key: undefined, content: "", position: message.seq },
    ...{ data: { planId, messageId, text, reason, importance }, createdAt: new Date(), expiresAt: undefined },
  };
}

/** Of a message that was forgotten, what its conversation does not keep. */
interface Kept extends MessageReference {
  readonly planId: string;
  readonly text: string;
  readonly reason: PlannedMessage["reason"];
  readonly importance: number | null;
  readonly forgottenAt: Date;
}

function toKept({ userId, conversationId = "", data, createdAt }: StoredRecord): Kept {
  const { planId, messageId, text, reason, importance } = data as unknown as Kept;
  return { planId, userId, conversationId, messageId, text, reason, importance, forgottenAt: createdAt };
}
