import { MemoryError } from "../../domain/errors.ts";
import type { Logger } from "../../domain/logger.ts";
import type { Message } from "../../domain/message.ts";
import { isUnderWay } from "../../domain/under-way.ts";
import { changedConversations } from "../changed-conversations.ts";
import { messageTokens } from "../context/recent-window.ts";
import { type Count, counter } from "../context/tokens.ts";
import { isConflict } from "../until-unchanged.ts";
import type { SummarizedConversation } from "./forget-summaries.ts";
import { makeSummaries, type SummarizingCore } from "./make-summaries.ts";
import type { SummarySettings } from "./settings.ts";
import { listSummaries, type SummaryPlace } from "./summary-record.ts";
import { type Gap, gapsBetween, readGap } from "./unsummarized.ts";

/** Conversations summarised at the same time. */
const mostAtOnce = 2;
/** Of so many conversations it is known how much may still come before they are looked at again. */
const mostRemembered = 10_000;

/** Summarises conversations as they grow, and anew where their messages change: see `createMemory({ summaries })`. Never fails. */
export interface BackgroundSummaries {
  noteStored(conversation: SummarizedConversation, messages: readonly Message[]): void;
  /** Summaries of it were deleted, because messages changed. */
  noteChanged(conversation: SummarizedConversation): void;
  /** Resolves when all that was noted is done, or could not be: with `all` also what other processes have stored lately. */
  flush(options: { readonly all: boolean }): Promise<void>;
  /** Gives up what is under way: the next message of the conversation begins it anew. */
  close(): Promise<void>;
}

export interface BackgroundSummariesOptions {
  readonly core: SummarizingCore;
  readonly settings: SummarySettings;
  readonly tenant: string;
  readonly logger: Logger | undefined;
  /** Work only when asked to {@link BackgroundSummaries.flush}. */
  readonly isManual: boolean;
}

/** What a conversation may still grow by before there is something to do. */
interface Room {
  tokens: number;
  messages: number;
}

export function backgroundSummaries({ core, settings, tenant, logger, isManual }: BackgroundSummariesOptions): BackgroundSummaries {
  const { background, model, instructions } = settings;
  const closing = new AbortController();
  const { signal } = closing;
  const rooms = new Map<string, Room>();
  const waiting = new Map<string, SummarizedConversation>();
  const running = new Map<string, Promise<void>>();
  const tenants = new Set([tenant]);
  const changed = changedConversations(core.store, signal);
  const keyOf = ({ tenant, userId, conversationId }: SummarizedConversation) => JSON.stringify([tenant, userId, conversationId]);

  function start(): void {
    if (signal.aborted) return;
    for (const [key, conversation] of waiting) {
      if (running.size >= mostAtOnce) return;
      if (running.has(key)) continue;
      waiting.delete(key);
      const work = summarize(key, conversation).catch(failed);
      const done = work.then(() => {
        running.delete(key);
        if (!isManual) start();
      });
      running.set(key, done);
    }
  }

  function failed(error: unknown): void {
    // Another process is at it.
    if (signal.aborted || isConflict(error)) return;
    const reason = MemoryError.isInstance(error) ? error.message : "the model failed";
    logger?.warn("[summaries] a conversation could not be summarised: it is tried again with its next message", { reason });
  }

  async function summarize(key: string, { tenant, userId, conversationId }: SummarizedConversation): Promise<void> {
    if (background === undefined) return;
    rooms.delete(key);
    const found = await core.store.getConversation({ tenant, userId, resourceId: undefined }, conversationId, signal);
    if (found === undefined) return;
    const place = { records: await core.records.open(), tenant, userId, resourceId: found.resourceId, conversationId };
    const gaps = gapsBetween(await listSummaries(place, signal));
    // No text has more tokens than bytes: most conversations are short, and need no tokenizer.
    for (const count of [async () => (text: string) => Buffer.byteLength(text), () => counter(undefined, undefined)]) {
      const before = await look(place, gaps, await count());
      if (!before.isDue) return remember(key, before.left);
    }
    const { left } = await makeSummaries(core, {
      ...{ place, signal, keepTokens: background.keepTokens, patienceMs: 0, force: false },
      asked: model === undefined ? undefined : { model, instructions },
    });
    remember(key, left);
  }

  /** Whether messages wait that should be in a summary. */
  async function look(place: SummaryPlace, gaps: readonly Gap[], count: Count): Promise<{ readonly isDue: boolean; readonly left: Room }> {
    const { afterTokens = 0, afterMessages = 0 } = background ?? {};
    const left = { tokens: 0, messages: 0 };
    for (const gap of gaps) {
      for await (const page of readGap(core.store, place, gap, count, signal)) {
        if (gap.toSeq !== undefined) return { isDue: true, left };
        left.messages += page.length;
        left.tokens += page.reduce((sum, { tokens }) => sum + tokens, 0);
        if (left.tokens > afterTokens || left.messages > afterMessages) return { isDue: true, left };
      }
    }
    return { isDue: false, left };
  }

  function remember(key: string, left: Room): void {
    const { afterTokens = 0, afterMessages = 0 } = background ?? {};
    if (rooms.size >= mostRemembered) rooms.clear();
    rooms.set(key, { tokens: afterTokens - left.tokens, messages: afterMessages - left.messages });
  }

  async function noteUnfinished(tenant: string): Promise<void> {
    for (const { userId, id } of await changed(tenant)) waiting.set(...entryOf({ tenant, userId, conversationId: id }));
  }

  const entryOf = (conversation: SummarizedConversation) => [keyOf(conversation), conversation] as const;

  function note(conversation: SummarizedConversation): void {
    waiting.set(...entryOf(conversation));
    if (!isManual) start();
  }

  return {
    noteStored({ tenant, userId, conversationId }, messages) {
      if (background === undefined || signal.aborted || messages.every(isUnderWay)) return;
      const conversation = { tenant, userId, conversationId };
      tenants.add(tenant);
      const room = rooms.get(keyOf(conversation));
      if (room !== undefined) {
        room.messages -= messages.length;
        for (const { parts, content } of messages)
          room.tokens -= messageTokens + Math.max(Buffer.byteLength(content), Buffer.byteLength(JSON.stringify(parts)));
        if (room.tokens >= 0 && room.messages >= 0) return;
      }
      note(conversation);
    },
    noteChanged({ tenant, userId, conversationId }) {
      if (background !== undefined && !signal.aborted) note({ tenant, userId, conversationId });
    },
    async flush({ all }) {
      if (background === undefined || signal.aborted) return;
      if (all) await Promise.all([...tenants].map(noteUnfinished)).catch(failed);
      while ((running.size > 0 || waiting.size > 0) && !signal.aborted) {
        start();
        await Promise.race(running.values());
      }
    },
    async close() {
      closing.abort();
      await Promise.all(running.values());
    },
  };
}
