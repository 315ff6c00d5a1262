import { randomUUID } from "node:crypto";
import type { SessionMessage } from "./session-message.ts";
import type { ConversationSummary } from "./session-metadata.ts";

/** A conversation shorter than this is its own summary. */
const leastMessages = 5;
const mostTopics = 5;
const shortestTopic = 5;

/** What LangSwarm says of a conversation, without a model; undefined for a short or one-sided one. */
export function summarize(messages: readonly SessionMessage[]): ConversationSummary | undefined {
  const said = (role: string) => messages.filter((message) => message.role === role).length;
  const [users, assistants] = [said("user"), said("assistant")];
  const [first, last] = [messages[0], messages.at(-1)];
  if (first === undefined || last === undefined || messages.length < leastMessages || users === 0 || assistants === 0) return undefined;
  return {
    summaryId: randomUUID(),
    summary: `Conversation with ${users} user messages and ${assistants} assistant responses.`,
    messageCount: messages.length,
    startTime: first.timestamp,
    endTime: last.timestamp,
    keyTopics: keyTopics(messages.filter(({ role }) => role === "user" || role === "assistant").map(({ content }) => content)),
    createdAt: new Date(),
  };
}

/** The most frequent longer words, the first one first among equals. */
function keyTopics(texts: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const word of texts
    .join(" ")
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu) ?? [])
    if (word.length >= shortestTopic) counts.set(word, (counts.get(word) ?? 0) + 1);
  const ranked = [...counts].sort(([, left], [, right]) => right - left);
  return ranked.slice(0, mostTopics).map(([word]) => word);
}
