import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { VectorEntry, VectorMatch, VectorQuery, VectorSelection } from "../../domain/vector-store.ts";

/** How vectors lie in the server: sets of Redis 8, or an index of the query engine. */
export interface VectorLayout {
  /** Makes what is missing. `isNew`: of an older space nothing may be left. */
  prepare(space: EmbeddingSpace, isNew: boolean): Promise<void>;
  isEmpty(): Promise<boolean>;
  /** Each key once. */
  upsert(entries: readonly VectorEntry[]): Promise<void>;
  query(query: VectorQuery): Promise<readonly VectorMatch[]>;
  delete(selection: VectorSelection): Promise<void>;
  count(scope: StoreScope): Promise<number>;
}

/** What both ways are set to. */
export interface LayoutSettings {
  readonly prefix: string;
  readonly searchEf: number;
  readonly efConstruct: number;
  /** Scopes of up to so many vectors are compared one by one. */
  readonly scanUpTo: number;
  readonly timeoutMs: number;
  /** Links per node of the graph. */
  readonly m: number;
}

/** The best first; of equal ones always the same. */
export function best(matches: readonly VectorMatch[], limit: number): VectorMatch[] {
  const key = ({ userId, conversationId, messageId }: VectorMatch) => JSON.stringify([userId, conversationId, messageId]);
  return matches.toSorted((left, right) => right.similarity - left.similarity || (key(left) < key(right) ? -1 : 1)).slice(0, limit);
}
