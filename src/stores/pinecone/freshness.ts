import { setTimeout as sleep } from "node:timers/promises";
import type { HttpAnswer } from "../../internal/http-json.ts";

/**
 * Pinecone answers a write before queries see it. It numbers the writes of a namespace, and tells with each answer to a
 * query up to which of them it has seen: so a query can be repeated until it saw the writes of this process.
 */
export interface Freshness {
  noteWrite(namespace: string, answer: HttpAnswer): void;
  /** Whether something written by this process may not be seen yet. */
  isPending(namespace: string): boolean;
  /** Asks until the answer has seen what was written before; after the longest wait the last one has to do. */
  ask(namespace: string, query: () => Promise<HttpAnswer>, signal: AbortSignal | undefined): Promise<HttpAnswer>;
}

const firstPauseMs = 50;
const longestPauseMs = 800;
const mostNamespaces = 10_000;

export function freshness(longestWaitMs: number): Freshness {
  const written = new Map<string, number>();

  function noteSeen(namespace: string, answer: HttpAnswer): boolean {
    const wanted = written.get(namespace);
    if (wanted === undefined) return true;
    const seen = numberOf(answer, "x-pinecone-max-indexed-lsn");
    if (seen !== undefined && seen < wanted) return false;
    written.delete(namespace);
    return true;
  }

  return {
    noteWrite(namespace, answer) {
      const number = numberOf(answer, "x-pinecone-request-lsn");
      if (number === undefined || number < (written.get(namespace) ?? 0)) return;
      const oldest = written.keys().next();
      if (written.size >= mostNamespaces && !oldest.done) written.delete(oldest.value);
      written.set(namespace, number);
    },
    isPending: (namespace) => written.has(namespace),
    async ask(namespace, query, signal) {
      const deadline = Date.now() + longestWaitMs;
      for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
        const answer = await query();
        if (noteSeen(namespace, answer) || Date.now() + pauseMs > deadline) return answer;
        await sleep(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
      }
    },
  };
}

function numberOf({ headers }: HttpAnswer, name: string): number | undefined {
  const text = headers.get(name);
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}
