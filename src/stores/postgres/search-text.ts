import type { RecallQuery } from "../../domain/memory-store.ts";
import type { TextAnswer, TextQuery } from "../../domain/session-store.ts";
import type { Database } from "./database.ts";
import { type LargeScopes, recall } from "./recall.ts";

/** The words' leg of a recall by itself, for a memory whose vectors are kept elsewhere. */
export async function searchText(database: Database, large: LargeScopes, query: TextQuery, signal?: AbortSignal): Promise<TextAnswer> {
  const answer = await recall(database, large, textRecall(query), signal, false);
  return {
    matches: answer.rows.map(({ message, text = 0, importance }) => ({
      userId: message.userId,
      conversationId: message.conversationId,
      messageId: message.id,
      seq: message.seq,
      createdAt: message.createdAt,
      importance,
      rank: text,
    })),
    words: answer.words,
  };
}

/** A recall by words alone. */
export function textRecall(query: TextQuery): RecallQuery {
  return {
    ...query,
    kinds: ["message"],
    minSimilarity: undefined,
    legs: ["text"],
    weights: { vector: 0, text: 1, conversation: 0, neighbour: 0, recency: 0, importance: 0 },
    recencyHalfLifeDays: 30,
    now: new Date(),
    vector: undefined,
    explain: true,
  };
}
