import type { TextAnswer, TextQuery } from "../../domain/session-store.ts";
import { type Database, search } from "./database.ts";
import { conversationKey, filterClauses, type MessageDocument, scopeClauses } from "./documents.ts";

/** Words of a question beyond this many are left out: each is a clause, and the server bounds them. */
const mostWords = 200;
const mostCharacters = 4_000;

/** The fields a match tells of. */
const fields = ["user", "conversation", "message", "seq", "created_at", "importance"];

/**
 * BM25 over the words of messages, each in the field of its language, with the same analysis for the question: a German
 * message is found by German stems whatever else the scope holds. Filters do not weigh.
 */
export async function searchText(database: Database, query: TextQuery, signal?: AbortSignal): Promise<TextAnswer> {
  const words = [...new Set(query.words.slice(0, mostCharacters).split(/\s+/))].filter((word) => word !== "").slice(0, mostWords);
  if (words.length === 0 || query.roles?.length === 0) return { matches: [], words: [] };
  await database.searchable.catchUp();
  const body = {
    size: query.limit,
    query: {
      bool: {
        filter: conditions(query),
        // Text without syntax: `match` knows no operators.
        must: [{ multi_match: { query: words.join(" "), fields: ["words.*"], type: "best_fields", operator: "or" } }],
      },
    },
    _source: fields,
    sort: ["_score", { created_at: "desc" }, { seq: "desc" }],
    track_scores: true,
  };
  const [{ hits }, searched] = await Promise.all([
    search<MessageDocument>(database, "search text", database.names.messages, body, signal),
    analyzedWords(database, words, query.language, signal),
  ]);
  const matches = hits.flatMap(({ _source: found, _score }) => {
    if (typeof _score !== "number" || _score <= 0) return [];
    return [
      {
        userId: found.user,
        conversationId: found.conversation,
        messageId: found.message,
        seq: found.seq,
        createdAt: new Date(found.created_at),
        importance: found.importance,
        rank: _score,
      },
    ];
  });
  return { matches, words: searched };
}

function conditions({ scope, conversationId, roles, since, until, filter }: TextQuery): object[] {
  const time = { ...(since === undefined ? {} : { gte: since.getTime() }), ...(until === undefined ? {} : { lt: until.getTime() }) };
  return [
    ...scopeClauses(scope),
    ...(conversationId === undefined ? [] : [{ term: { conversation_key: conversationKey(scope.tenant, conversationId) } }]),
    ...(roles === undefined ? [] : [{ terms: { role: [...roles] } }]),
    ...(Object.keys(time).length === 0 ? [] : [{ range: { created_at: time } }]),
    ...filterClauses(filter),
  ];
}

/** The words as the analyzer of the question's language sees them, for explanations; asked for beside the search. */
async function analyzedWords(
  database: Database,
  words: readonly string[],
  language: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const body = { analyzer: await database.analyzerOf(language ?? null, signal), text: words.join(" ") };
  const request = { method: "POST", path: "/_analyze", body, signal } as const;
  const answer = await database.transport.request<{ tokens: readonly { token: string }[] }>("search text", request);
  return [...new Set(answer.body.tokens.map(({ token }) => token))];
}
