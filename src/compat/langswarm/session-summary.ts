import type { Conversation } from "../../domain/conversation.ts";
import type { ScopedMemory } from "../../domain/memory.ts";
import type { Message } from "../../domain/message.ts";
import type { MemoryRecord } from "../../domain/records.ts";
import { toSessionMessage } from "./session-message.ts";
import { type ConversationSummary, readSession, readSummary, type StoredSummary, withFields, withoutSummary } from "./session-metadata.ts";
import { summarize } from "./summary.ts";

/**
 * How a summary says what was said, beside how much: `false`, not at all, as nothing keeps summaries here; `"now"`, at once;
 * `"later"`, a model writes it, for which no message waits.
 */
export type SummaryTexts = false | "now" | "later";

/** The summary of a session. What it counts is kept with the session, what was said in `memory.summaries`: deleted, it is gone there. */
export interface SessionSummary {
  get(): Promise<ConversationSummary | undefined>;
  create(force: boolean): Promise<ConversationSummary | undefined>;
  /** Makes it, or anew, where the session has grown by as many messages as it says. Never fails: the message is stored. */
  grow(seq: number): Promise<void>;
  /** Its messages are gone. */
  forget(): Promise<void>;
}

/** What a migration has brought along. */
const migratedType = "summaries";
const mostMessages = 10_000;
const leastRead = 10;
const pageSize = 1_000;

export function sessionSummary(mine: ScopedMemory, sessionId: string, texts: SummaryTexts): SessionSummary {
  const conversation = () => mine.conversations.get(sessionId);

  async function known(of: Conversation): Promise<StoredSummary | undefined> {
    const own = readSummary(of);
    if (own !== undefined || texts === false) return own;
    const { items } = await mine.records.list({ type: migratedType, conversationId: sessionId, limit: 1 });
    return items[0] && fromMigrated(items[0]);
  }

  async function withText(summary: StoredSummary): Promise<ConversationSummary> {
    const { untilSeq: _untilSeq, ...fields } = summary;
    const text = texts === false ? undefined : (await mine.summaries.current(sessionId))?.text;
    return text ? { ...fields, summary: `${fields.summary}\n${text}` } : fields;
  }

  /** How much was said, of both sides; undefined for a short or one-sided session. */
  async function count(): Promise<ConversationSummary | undefined> {
    const messages = await allMessages(mine, sessionId);
    const summary = summarize(messages.map(toSessionMessage));
    if (summary === undefined) return undefined;
    const { metadata } = await conversation();
    const untilSeq = messages.at(-1)?.seq;
    await mine.conversations.update(sessionId, { metadata: withFields(metadata, { summary: { ...summary, untilSeq } }) });
    return summary;
  }

  /** Places only grow: a message in an earlier place cannot have completed it. */
  async function isDue(seq: number): Promise<boolean> {
    const now = await conversation();
    const { autoSummarize, summaryThreshold } = readSession(now);
    if (!autoSummarize || seq < summaryThreshold) return false;
    const last = await known(now);
    const afterSeq = last?.untilSeq ?? last?.messageCount ?? 0;
    if (seq - afterSeq < summaryThreshold) return false;
    const threshold = Math.min(summaryThreshold, mostMessages);
    const limit = Math.max(threshold, leastRead);
    const { items } = await mine.messages.list(sessionId, { limit, ...(afterSeq === 0 ? {} : { afterSeq }) });
    // Where one side alone speaks there is no summary: not all of it is read for each message.
    return items.length >= threshold && (["user", "assistant"] as const).every((role) => items.some((one) => one.role === role));
  }

  return {
    async get() {
      const found = await known(await conversation());
      return found && withText(found);
    },
    async create(force) {
      const found = force ? undefined : await known(await conversation());
      if (found !== undefined) return withText(found);
      const made = await count();
      if (made === undefined) return undefined;
      if (texts !== false) await mine.summaries.create(sessionId);
      return withText(made);
    },
    async grow(seq) {
      if (!(await isDue(seq)) || (await count()) === undefined || texts === false) return;
      // What fails here is made with the next summary; a memory that is closed waits for it.
      const text = mine.summaries.create(sessionId).catch(() => undefined);
      if (texts === "now") await text;
    },
    async forget() {
      const { metadata } = await conversation();
      await mine.conversations.update(sessionId, { metadata: withoutSummary(metadata) });
      if (texts !== false) await mine.records.clear({ type: migratedType, conversationId: sessionId });
    },
  };
}

function fromMigrated({ id, content, metadata, createdAt }: MemoryRecord): ConversationSummary {
  const { message_count: messages, start_time: start, end_time: end, key_topics: topics } = metadata;
  const time = (value: unknown) => (typeof value === "string" && !Number.isNaN(Date.parse(value)) ? new Date(value) : createdAt);
  return {
    summaryId: id,
    summary: content,
    messageCount: Number.isFinite(Number(messages)) ? Number(messages) : 0,
    startTime: time(start),
    endTime: time(end),
    keyTopics: Array.isArray(topics) ? topics.map(String) : [],
    createdAt,
  };
}

/** All messages of a session, oldest first. */
export async function allMessages(mine: ScopedMemory, sessionId: string): Promise<Message[]> {
  const messages: Message[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await mine.messages.list(sessionId, { limit: pageSize, cursor });
    messages.unshift(...page.items);
    if (page.nextCursor === undefined) return messages;
    cursor = page.nextCursor;
  }
}
