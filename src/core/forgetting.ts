import { InvalidArgumentError } from "../domain/errors.ts";
import type {
  Forgetting,
  ForgettingPlan,
  ForgettingReport,
  ForgottenMessage,
  ForgottenOptions,
  PlannedMessage,
  PurgeOptions,
  RetentionOptions,
  RetentionReport,
} from "../domain/forgetting.ts";
import type { RecordStore, StoredRecord } from "../domain/record-store.ts";
import type { MessageReference, StoredMessage, StoreScope } from "../domain/session-store.ts";
import { listRecords } from "./facts/fact-changes.ts";
import { planForgetting } from "./forgetting/plan.ts";
import type { MemoryCore } from "./memory-core.ts";
import { forgottenMessageType, messageDigest } from "./message-history.ts";
import { messages as messagesOf } from "./messages.ts";
import { byConversation, changeMessages, type MessageChange, type RewrittenMessage, rewriteMessages } from "./rewrite-messages.ts";
import { narrowed } from "./scope.ts";

const dayMs = 86_400_000;

/** `forgetting` of a handle. */
export function forgetting(core: MemoryCore, scope: StoreScope): Forgetting {
  function within({ userId, allUsers }: ForgottenOptions): StoreScope {
    const one = narrowed(scope, { userId });
    if (one.userId === undefined && allUsers !== true)
      throw new InvalidArgumentError("userId", "is required: pass userId, use memory.scope({ userId }), or say allUsers: true");
    return one;
  }

  async function apply({ id, tenant, userId, items }: ForgettingPlan, signal: AbortSignal | undefined): Promise<ForgettingReport> {
    const foreign = tenant !== scope.tenant || (scope.userId !== undefined && userId !== scope.userId);
    if (foreign || (userId !== undefined && items.some((item) => item.userId !== userId)))
      throw new InvalidArgumentError("plan", "is of another tenant or user than this memory");
    await core.open();
    const records = await core.records.open();
    let forgotten = 0;
    for (const some of byConversation(items)) {
      signal?.throwIfAborted();
      forgotten += await changing(some, signal, async (stored) => {
        const texts = new Map(some.map((item) => [item.messageId, item]));
        const same = stored.filter(({ message }) => message.content !== "" && message.content === texts.get(message.id)?.text);
        const puts = same.map((one) => ({ put: forgottenRecord(tenant, id, one, texts.get(one.message.id) as PlannedMessage) }));
        // The text is kept before it goes: after a crash in between, nothing is lost.
        if (puts.length > 0) await records.write(puts, signal);
        await rewrite(same.map(({ message, importance }) => ({ message, content: "", importance })));
        return same.length;
      });
    }
    return { forgotten, passedOver: items.length - forgotten };
  }

  const changing = <Value>(some: readonly MessageReference[], signal: AbortSignal | undefined, change: MessageChange<Value>) =>
    changeMessages(core, scope, some, change, signal);
  const rewrite = (changes: readonly RewrittenMessage[]) => rewriteMessages(core, scope.tenant, changes);

  async function found(
    options: PurgeOptions,
  ): Promise<{ readonly records: RecordStore; readonly rows: readonly StoredRecord[] } | undefined> {
    const { planId, conversationId, forgottenForDays = 0, signal } = options;
    if (!(forgottenForDays >= 0)) throw new InvalidArgumentError("forgottenForDays", "must be a number of at least 0");
    const whose = within(options);
    const records = await core.records.openToDelete();
    if (records === undefined) return undefined;
    await core.open();
    const filter = planId === undefined ? undefined : { planId };
    const conditions = { types: [forgottenMessageType], conversationId, filter };
    const rows = await listRecords(records, whose, conditions, signal);
    return { records, rows: rows.filter(({ createdAt }) => createdAt.getTime() <= Date.now() - forgottenForDays * dayMs) };
  }

  async function restore(options: ForgottenOptions): Promise<number> {
    const there = await found(options);
    let restored = 0;
    for (const some of byConversation(there?.rows.map(toKept) ?? [])) {
      options.signal?.throwIfAborted();
      restored += await changing(some, options.signal, async (stored) => {
        const before = new Map(some.map((one) => [one.messageId, one]));
        const silent = stored.filter(({ message }) => message.content === "");
        const rewritten = silent.map(({ message }) => {
          const { text, importance } = before.get(message.id) as Kept;
          return { message, content: text, importance };
        });
        await rewrite(rewritten);
        await forgetRecords(there?.records as RecordStore, some);
        return silent.length;
      });
    }
    return restored;
  }

  async function purge(options: PurgeOptions): Promise<number> {
    const there = await found(options);
    let purged = 0;
    for (const some of byConversation(there?.rows.map(toKept) ?? [])) {
      options.signal?.throwIfAborted();
      const [{ userId, conversationId } = { userId: "", conversationId: "" }] = some;
      const stored = await core.store.getMessages(scope, some, options.signal);
      const silent = stored.filter(({ message }) => message.content === "").map(({ message }) => message.id);
      // Their records go with the messages; the others were changed since and are forgotten no more.
      if (silent.length > 0) purged += await messagesOf(core, { ...scope, userId }).delete(conversationId, silent, options);
      await forgetRecords(there?.records as RecordStore, some);
    }
    return purged;
  }

  function forgetRecords(records: RecordStore, some: readonly ForgottenMessage[]): Promise<unknown> {
    const { tenant } = scope;
    const ops = some.map(({ userId, conversationId, messageId }) => {
      return { delete: { tenant, userId, type: forgottenMessageType, id: messageDigest([conversationId, messageId]) } };
    });
    return records.write(ops);
  }

  async function run({ purgeAfterDays, ...options }: RetentionOptions): Promise<RetentionReport> {
    const { userId, allUsers, signal } = options;
    const whose = within(options);
    if (purgeAfterDays !== undefined && !(purgeAfterDays >= 0))
      throw new InvalidArgumentError("purgeAfterDays", "must be a number of at least 0");
    const report = await apply(await planForgetting(core, whose, options), signal);
    const purged = purgeAfterDays === undefined ? 0 : await purge({ userId, allUsers, forgottenForDays: purgeAfterDays, signal });
    return { ...report, purged };
  }

  return {
    plan: async (options) => planForgetting(core, within(options), options),
    apply: (plan, options) => core.finished(apply(plan, options?.signal)),
    restore: (options = {}) => core.finished(restore(options)),
    purge: (options = {}) => core.finished(purge(options)),
    run: (options) => core.finished(run(options)),
    list: async (options = {}) => (await found(options))?.rows.map(toKept).map(({ importance, ...forgotten }) => forgotten) ?? [],
  };
}

function forgottenRecord(
  tenant: string,
  planId: string,
  { message, resourceId, importance }: StoredMessage,
  { reason, text }: PlannedMessage,
) {
  const { id: messageId, userId, conversationId } = message;
  return {
    ...{ tenant, userId, type: forgottenMessageType, id: messageDigest([conversationId, messageId]) },
    ...{ resourceId, conversationId, name: messageDigest([messageId]), key: undefined, content: "", position: message.seq },
    ...{ data: { planId, messageId, text, reason, importance }, createdAt: new Date(), expiresAt: undefined },
  };
}

/** Of a message that was forgotten, what its conversation does not keep. */
interface Kept extends ForgottenMessage {
  readonly importance: number | null;
}

function toKept({ userId, conversationId = "", data, createdAt }: StoredRecord): Kept {
  const { planId, messageId, text, reason, importance } = data as unknown as Kept;
  return { planId, userId, conversationId, messageId, text, reason, importance, forgottenAt: createdAt };
}
