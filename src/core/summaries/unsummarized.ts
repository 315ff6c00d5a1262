import type { MemoryStore } from "../../domain/memory-store.ts";
import type { Message } from "../../domain/message.ts";
import type { Summary } from "../../domain/summaries.ts";
import { isUnderWay } from "../../domain/under-way.ts";
import { messageTokens } from "../context/recent-window.ts";
import type { Count } from "../context/tokens.ts";
import { type ReadableMessage, readableText } from "../facts/message-text.ts";
import { storableText } from "../messages/plain-text.ts";
import { toolExchange } from "../messages/tool-ids.ts";
import type { SummaryPlace } from "./summary-record.ts";

/** A message of a conversation, and what of it may be summarised. */
export interface SpokenMessage {
  readonly message: Message;
  readonly readable: ReadableMessage | undefined;
  readonly tokens: number;
}

/** Places that no summary of level 1 stands for. */
export interface Gap {
  readonly fromSeq: number;
  /** Undefined: the end of the conversation. */
  readonly toSeq: number | undefined;
}

const messagesAtOnce = 200;

/** Oldest first; the last one is the end of the conversation. */
export function gapsBetween(summaries: readonly Summary[]): Gap[] {
  const gaps: Gap[] = [];
  let next = 0;
  for (const { fromSeq, toSeq } of summaries.filter(({ level }) => level === 1).sort((left, right) => left.fromSeq - right.fromSeq)) {
    if (fromSeq > next) gaps.push({ fromSeq: next, toSeq: fromSeq - 1 });
    next = toSeq + 1;
  }
  return [...gaps, { fromSeq: next, toSeq: undefined }];
}

/** The messages of a gap, page by page. */
export async function* readGap(
  store: Pick<MemoryStore, "exportMessages">,
  { tenant, userId, conversationId }: SummaryPlace,
  { fromSeq, toSeq = Number.POSITIVE_INFINITY }: Gap,
  count: Count,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly SpokenMessage[]> {
  const scope = { tenant, userId, resourceId: undefined };
  for (let seq = fromSeq - 1; ; ) {
    const limit = Math.min(messagesAtOnce, toSeq - seq);
    const rows = limit < 1 ? [] : await store.exportMessages(scope, { userId, conversationId, seq }, limit, signal);
    const own = rows.map(({ message }) => message).filter((one) => one.conversationId === conversationId && one.seq <= toSeq);
    if (own.length > 0) yield own.map((message) => spokenMessage(message, count));
    const last = own.at(-1);
    if (last === undefined || own.length < limit) return;
    seq = last.seq;
  }
}

/** Neither the system's words nor what was itself recalled. */
function spokenMessage(message: Message, count: Count): SpokenMessage {
  const found = readableText(message, true);
  const readable = found && { ...found, text: storableText(found.text) };
  return { message, readable, tokens: messageTokens + (readable === undefined ? 0 : count(readable.text)) };
}

/**
 * After which of these messages a summary may end: not between a tool call and its result, nor after a call that still waits
 * for one, nor after an answer that still streams.
 */
export function wholeEnds(messages: readonly SpokenMessage[]): boolean[] {
  const ends = messages.map(() => true);
  const block = (from: number, to: number) => ends.fill(false, from, to);
  const open = new Map<string, number>();
  for (const [place, { message }] of messages.entries()) {
    const ids = toolExchange(message.role, message.parts).ids ?? [];
    for (const id of ids.filter((one) => one.startsWith("result:"))) {
      const call = open.get(id.slice("result:".length));
      if (call !== undefined) block(call, place);
      open.delete(id.slice("result:".length));
    }
    for (const id of ids.filter((one) => one.startsWith("call:"))) open.set(id.slice("call:".length), place);
  }
  const lastOfUser = messages.findLastIndex(({ message }) => message.role === "user");
  // What the user has spoken after is not waited for any more.
  for (const place of open.values()) if (place > lastOfUser) block(place, messages.length);
  const streaming = messages.findIndex(({ message }) => isUnderWay(message));
  if (streaming >= 0) block(streaming, messages.length);
  return ends;
}

const chunkTokens = 3_000;

/** How many of the first messages make the next summary, when more follow; 0: they are too few. */
export function nextChunk(messages: readonly SpokenMessage[], keepTokens: number): number {
  const most = Math.max(0, messages.reduce((sum, { tokens }) => sum + tokens, 0) - keepTokens);
  if (most < chunkTokens) return 0;
  return chunkWithin(messages, most);
}

/** The same at the end: all but the newest messages of `keepTokens`. */
export function lastChunk(messages: readonly SpokenMessage[], keepTokens: number): number {
  return chunkWithin(messages, Math.max(0, messages.reduce((sum, { tokens }) => sum + tokens, 0) - keepTokens));
}

/**
 * @param toFold tokens of the messages that are old enough, at least: the one that crosses the bound is among them, so that
 * what is kept is no more than it may be
 */
function chunkWithin(messages: readonly SpokenMessage[], toFold: number): number {
  if (toFold === 0) return 0;
  const ends = wholeEnds(messages);
  let tokens = 0;
  let best = 0;
  for (const [place, message] of messages.entries()) {
    if (tokens >= toFold) break;
    tokens += message.tokens;
    if (!ends[place]) continue;
    if (best > 0 && tokens > chunkTokens) break;
    best = place + 1;
  }
  return best;
}
