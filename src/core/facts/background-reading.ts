import { MemoryError } from "../../domain/errors.ts";
import type { Logger } from "../../domain/logger.ts";
import type { Message } from "../../domain/message.ts";
import { isUnderWay } from "../../domain/under-way.ts";
import { stableId } from "../../internal/stable-id.ts";
import { changedConversations, firstLookMs } from "../changed-conversations.ts";
import { extractFacts, type ReadingCore } from "./extract-facts.ts";
import { positionType } from "./fact-record.ts";

/** Conversations read at the same time. */
const mostAtOnce = 2;
/** When a conversation that could not be read is tried again. */
const retryMs = 60_000;

interface ConversationName {
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
}

/** Reads facts out of messages after they are stored, as `createMemory({ facts: { extract } })` says. Never fails. */
export interface BackgroundReading {
  noteStored(conversation: ConversationName, messages: readonly Message[]): void;
  /** Goes on where another process, or an earlier one, left off. */
  resume(): void;
  /** Resolves when all that was noted is read, or could not be: with `all` also what other processes have stored lately. */
  flush(options: { readonly all: boolean }): Promise<void>;
  /** Gives up what is under way: it is gone on with by the next process. */
  close(): Promise<void>;
}

export interface BackgroundReadingOptions {
  readonly core: ReadingCore;
  readonly tenant: string;
  readonly logger: Logger | undefined;
  /** Read only when asked to {@link BackgroundReading.flush}. */
  readonly isManual: boolean;
}

export function backgroundReading({ core, tenant, logger, isManual }: BackgroundReadingOptions): BackgroundReading {
  const { isReading, model } = core.facts;
  const closing = new AbortController();
  /** What is to be read, from which place on; undefined: from where it was read to. */
  const waiting = new Map<string, { readonly name: ConversationName; readonly fromSeq: number | undefined }>();
  const running = new Map<string, Promise<void>>();
  const tenants = new Set<string>();
  const changed = changedConversations(core.store, closing.signal);
  let retry: NodeJS.Timeout | undefined;

  function note(name: ConversationName, fromSeq: number | undefined): void {
    const key = JSON.stringify([name.tenant, name.userId, name.conversationId]);
    const known = waiting.get(key);
    const lowest = known?.fromSeq === undefined || fromSeq === undefined ? (known?.fromSeq ?? fromSeq) : Math.min(known.fromSeq, fromSeq);
    waiting.set(key, { name, fromSeq: lowest });
  }

  /** Starts what may run now; a conversation that is being read waits for its turn. */
  function start(): void {
    if (closing.signal.aborted) return;
    for (const [key, { name, fromSeq }] of waiting) {
      if (running.size >= mostAtOnce) return;
      if (running.has(key)) continue;
      waiting.delete(key);
      const work = read(name, fromSeq).catch((error: unknown) => failed(name, fromSeq, error));
      const done = work.then(() => {
        running.delete(key);
        if (!isManual) start();
      });
      running.set(key, done);
    }
  }

  function failed(name: ConversationName, fromSeq: number | undefined, error: unknown): void {
    if (closing.signal.aborted) return;
    const reason = MemoryError.isInstance(error) ? error.message : "the model failed";
    logger?.warn("[facts] a conversation could not be read: it is tried again", { reason });
    unread.push([name, fromSeq]);
    retry ??= setTimeout(() => {
      retry = undefined;
      for (const [again, place] of unread.splice(0)) note(again, place);
      if (!isManual) start();
    }, retryMs).unref();
  }
  const unread: (readonly [ConversationName, number | undefined])[] = [];

  async function read({ tenant, userId, conversationId }: ConversationName, fromSeq: number | undefined): Promise<void> {
    const { signal } = closing;
    const scope = { tenant, userId, resourceId: undefined };
    const conversation = await core.store.getConversation(scope, conversationId, signal);
    if (conversation === undefined) return;
    const records = await core.records.open();
    const position = { userId, type: positionType, id: stableId(conversationId) };
    const [before] = await records.get(tenant, [position], signal);
    // Of a conversation that is older, nobody asked for what was there before facts were read.
    if (before === undefined && fromSeq === undefined && conversation.createdAt.getTime() < Date.now() - firstLookMs) return;
    const afterSeq = fromSeq === undefined ? (before?.position ?? -1) : Math.min(before?.position ?? Number.POSITIVE_INFINITY, fromSeq - 1);
    const { resourceId } = conversation;
    const reading = { tenant, userId, resourceId, conversationId, model, toolOutput: false, since: undefined, signal };
    const { lastSeq } = await extractFacts(core, { ...reading, afterSeq });
    if (before !== undefined && lastSeq <= before.position) return;
    const put = {
      ...{ ...position, tenant, resourceId, conversationId, name: undefined, key: undefined, content: "", data: {} },
      ...{ position: lastSeq, createdAt: new Date(), expiresAt: undefined },
    };
    await records.write([{ put }], signal);
  }

  async function noteUnfinished(tenant: string): Promise<void> {
    for (const { userId, id } of await changed(tenant)) note({ tenant, userId, conversationId: id }, undefined);
  }

  /** Once in a process, for each tenant it serves. */
  function begin(tenant: string): void {
    if (tenants.has(tenant)) return;
    tenants.add(tenant);
    if (!isManual) look(tenant);
  }

  function look(tenant: string): void {
    if (!isReading || closing.signal.aborted) return;
    const key = `look ${tenant}`;
    const work = noteUnfinished(tenant).catch(() => {
      if (!closing.signal.aborted) logger?.warn("[facts] what is left to read could not be looked up: the next process does");
    });
    const done = work.then(() => {
      running.delete(key);
      if (!isManual) start();
    });
    running.set(key, done);
  }

  return {
    noteStored({ tenant, userId, conversationId }, messages) {
      if (!isReading || closing.signal.aborted || messages.every(isUnderWay)) return;
      note({ tenant, userId, conversationId }, Math.min(...messages.map(({ seq }) => seq)));
      begin(tenant);
      if (!isManual) start();
    },
    resume: () => begin(tenant),
    async flush({ all }) {
      for (const [again, place] of unread.splice(0)) note(again, place);
      if (all) for (const one of new Set([tenant, ...tenants])) look(one);
      while (running.size > 0 || waiting.size > 0) {
        if (closing.signal.aborted) return;
        start();
        await Promise.race(running.values());
      }
    },
    async close() {
      closing.abort();
      clearTimeout(retry);
      await Promise.all(running.values());
    },
  };
}
