import type { MemoryStore } from "../../domain/memory-store.ts";
import type { Message } from "../../domain/message.ts";
import { encodeParts } from "../../domain/parts-codec.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { AppendRequest } from "../../domain/session-store.ts";
import type { CoreRecords } from "../core-records.ts";
import type { BackgroundSummaries } from "./background-summaries.ts";
import { forgetSummaries, type SummarizedConversation } from "./forget-summaries.ts";
import { leaseType, summaryType } from "./summary-record.ts";

export interface ForgettingStoreOptions {
  readonly store: MemoryStore;
  readonly records: CoreRecords;
  readonly background: () => Pick<BackgroundSummaries, "noteStored" | "noteChanged">;
}

/**
 * The store, where no message changes or goes without the summaries made of it. A store that keeps the records itself takes
 * them along in the same step; for others they are deleted before and once more after, as one may have been made in between.
 */
export function forgettingStore({ store, records, background }: ForgettingStoreOptions): MemoryStore {
  const isInStep = records.isShared && store.forgetsSummaries === true;

  async function forget(conversation: SummarizedConversation, seqs: readonly number[] | undefined): Promise<void> {
    const kept = await records.openToDelete();
    if (kept !== undefined && (await forgetSummaries(kept, conversation, seqs, undefined))) background().noteChanged(conversation);
  }

  /** Places of messages that this request changes; undefined: there is nothing to forget. */
  async function changedBy(request: AppendRequest, signal: AbortSignal | undefined): Promise<readonly number[] | undefined> {
    const kept = request.areNew === true ? undefined : await records.openToDelete();
    const { tenant, userId, conversationId } = request;
    const scope = { tenant, userId, resourceId: undefined };
    const types = [summaryType, leaseType];
    if (kept === undefined || (await kept.count(scope, { types, conversationId }, signal)) === 0) return undefined;
    const references = request.messages.map(({ id }) => ({ userId, conversationId, messageId: id }));
    const found = new Map((await store.getMessages(scope, references, signal)).map(({ message }) => [message.id, message]));
    return request.messages.flatMap((message) => {
      const before = found.get(message.id);
      return before === undefined || isSame(before, message) ? [] : [before.seq];
    });
  }

  /** Takes what changes with the messages before and after they do. */
  async function appendBeside(requests: readonly AppendRequest[], signal: AbortSignal | undefined) {
    const pruned = new Set<AppendRequest>();
    const before = await Promise.all(requests.map((request) => changedBy(request, signal)));
    const forgetAll = async () => {
      for (const [place, request] of requests.entries()) {
        const seqs = before[place] ?? [];
        if (pruned.has(request)) await forget(request, undefined);
        else if (seqs.length > 0) await forget(request, seqs);
      }
    };
    await forgetAll();
    const told = requests.map((request) => ({
      ...request,
      onPruned(ids: readonly string[]) {
        pruned.add(request);
        request.onPruned?.(ids);
      },
    }));
    const outcomes = await store.append(told, signal);
    await forgetAll();
    return outcomes;
  }

  async function appendInStep(requests: readonly AppendRequest[], signal: AbortSignal | undefined) {
    const replaced = new Map<AppendRequest, readonly number[]>();
    const told = requests.map((request) => ({ ...request, onReplaced: (seqs: readonly number[]) => void replaced.set(request, seqs) }));
    const outcomes = await store.append(told, signal);
    for (const [request, seqs] of replaced) {
      // One that was landing in the same moment was not seen.
      await forget(request, seqs);
      background().noteChanged(request);
    }
    return outcomes;
  }

  async function placesOf(scope: StoreScope, conversationId: string, ids: readonly string[], signal: AbortSignal | undefined) {
    const references = ids.map((messageId) => ({ userId: scope.userId as string, conversationId, messageId }));
    return (await store.getMessages(scope, references, signal)).map(({ message }) => message.seq);
  }

  return {
    ...store,
    async append(requests, signal) {
      const outcomes = await (isInStep ? appendInStep(requests, signal) : appendBeside(requests, signal));
      for (const [place, request] of requests.entries()) background().noteStored(request, outcomes[place] ?? []);
      return outcomes;
    },
    async deleteMessages(scope, conversationId, messageIds, signal) {
      if (isInStep && scope.userId !== undefined) {
        const count = await store.deleteMessages(scope, conversationId, messageIds, signal);
        if (count !== undefined && count > 0) background().noteChanged({ tenant: scope.tenant, userId: scope.userId, conversationId });
        return count;
      }
      const owner = await store.getConversation(scope, conversationId, signal);
      if (owner === undefined) return undefined;
      const { tenant } = scope;
      const { userId } = owner;
      const conversation = { tenant, userId, conversationId };
      const isKept = !isInStep && (await records.openToDelete()) !== undefined;
      const of = { tenant, userId, resourceId: undefined };
      const seqs = isKept && messageIds !== undefined ? await placesOf(of, conversationId, messageIds, signal) : undefined;
      if (isKept) await forget(conversation, seqs);
      const count = await store.deleteMessages(scope, conversationId, messageIds, signal);
      if (isKept) await forget(conversation, seqs);
      if (isInStep && count !== undefined && count > 0) background().noteChanged(conversation);
      return count;
    },
  };
}

/** Whether a message that is there already says what it shall say. */
function isSame(before: Message, { role, name, text, partsJson }: AppendRequest["messages"][number]): boolean {
  return before.role === role && (before.name ?? null) === name && before.content === text && encodeParts(before.parts) === partsJson;
}
