import type { MessageQuery } from "../domain/session-store.ts";

// Windows of messages that never separate a tool call from its result, for every backend. Most take one read.

/** What a window needs to know of a message. */
export interface WindowRow {
  readonly seq: number;
  /** As in `NewMessage`. */
  readonly toolIds: readonly string[] | null;
}

/** How a store reads one conversation of a scope. */
export interface WindowReader<Row extends WindowRow> {
  /** The newest `limit` rows that match, newest first, each by itself. No role matches an empty `roles`. */
  rows(query: MessageQuery): Promise<readonly Row[]>;
  /**
   * For each edge the nearest row on its other side that has the id as `call:` or `result:`, when that is its partner:
   * for a result the nearest earlier row, if it is the call; for a call the nearest later row, if it is the result.
   */
  partners(edges: readonly ToolEdge[]): Promise<readonly Row[]>;
}

/** A call without a result above it in a window, or a result without its call below it. */
export interface ToolEdge {
  readonly seq: number;
  /** Without its direction: `call:ID` and `result:ID` belong together. */
  readonly id: string;
  readonly isResult: boolean;
}

/**
 * Rows read beyond the window on its older side: they tell whether there is more, and nearly always hold the calls
 * of results the window begins with, so that closing it takes no second trip.
 */
const lookBehind = 2;

/** The window of a query, oldest first, and where the next older one goes on. */
export async function readWindow<Row extends WindowRow>(
  reader: WindowReader<Row>,
  query: MessageQuery,
): Promise<{ readonly rows: readonly Row[]; readonly nextCursor: string | undefined }> {
  const rows = await reader.rows({ ...query, limit: query.limit + lookBehind });
  const window = new Map(rows.slice(0, query.limit).map((row) => [row.seq, row]));
  const oldest = await closeWindow(reader, query, window, rows.slice(query.limit));
  const hasMore = rows.length > query.limit && (rows.at(-1)?.seq ?? 0) < oldest;
  return {
    rows: inOrder(window),
    nextCursor: hasMore || (rows.length === query.limit + lookBehind && oldest > 1) ? String(oldest) : undefined,
  };
}

/** The rows that complete the tool exchanges of one row, oldest first and without itself. */
export async function completeExchange<Row extends WindowRow>(reader: WindowReader<Row>, row: Row): Promise<readonly Row[]> {
  const window = new Map([[row.seq, row]]);
  const anywhere = { limit: 1, beforeSeq: row.seq, afterSeq: undefined, before: undefined, after: undefined, roles: [] };
  await closeWindow(reader, anywhere, window, []);
  window.delete(row.seq);
  return inOrder(window);
}

/**
 * {@link WindowReader.partners} for a store that has the rows between at hand: `rows` holds every row of the conversation
 * that takes part in a tool exchange, in any order.
 */
export function partnersAmong<Row extends WindowRow>(rows: readonly Row[], edges: readonly ToolEdge[]): readonly Row[] {
  const inExchange = rows.filter((row) => row.toolIds !== null).sort((left, right) => left.seq - right.seq);
  const found = edges.map(({ seq, id, isResult }) => {
    const has = (row: Row) => row.toolIds?.some((toolId) => idOf(toolId) === id) === true;
    const nearest = isResult
      ? inExchange.findLast((row) => row.seq < seq && has(row))
      : inExchange.find((row) => row.seq > seq && has(row));
    return nearest?.toolIds?.includes(`${isResult ? "call" : "result"}:${id}`) ? nearest : undefined;
  });
  return [...new Set(found.filter((row) => row !== undefined))];
}

function inOrder<Row extends WindowRow>(window: ReadonlyMap<number, Row>): Row[] {
  return [...window.values()].sort((left, right) => left.seq - right.seq);
}

/**
 * Widens `window` (by seq) until no tool call in it lacks a result that the ledger has, and no result its call.
 * Between the old edge and a call it fetches, the messages that match the query come along, so that the next page
 * can go on below. Returns the oldest place that was taken.
 */
async function closeWindow<Row extends WindowRow>(
  reader: WindowReader<Row>,
  query: MessageQuery,
  window: Map<number, Row>,
  behind: readonly Row[],
): Promise<number> {
  let oldest = Math.min(...window.keys());
  for (const searched = new Set<string>(); ; ) {
    const open = openEdges([...window.values()], query.roles === undefined).filter((edge) => !searched.has(edgeKey(edge)));
    if (open.length === 0) return oldest;
    const partners: Row[] = [];
    const unknown: ToolEdge[] = [];
    for (const edge of open) {
      const near = edge.isResult
        ? behind.find((row) => row.seq < edge.seq && row.toolIds?.some((toolId) => idOf(toolId) === edge.id))
        : undefined;
      if (near === undefined) unknown.push(edge);
      else if (near.toolIds?.includes(`call:${edge.id}`)) partners.push(near);
      searched.add(edgeKey(edge));
    }
    // A call at the very end of the ledger has no result yet: looked for only where something was cut off above.
    const askable = unknown.filter(
      (edge) => edge.isResult || query.beforeSeq !== undefined || query.before !== undefined || query.roles !== undefined,
    );
    if (askable.length > 0) partners.push(...(await reader.partners(askable)));
    for (const partner of partners) window.set(partner.seq, partner);
    const edge = Math.min(oldest, ...partners.map((partner) => partner.seq));
    if (edge < oldest) {
      const between = behind.filter((row) => row.seq >= edge);
      const known = behind.at(-1)?.seq ?? oldest;
      for (const row of between) window.set(row.seq, row);
      if (edge < known && query.roles?.length !== 0) {
        const further = { ...query, afterSeq: edge - 1, beforeSeq: known, before: undefined, after: undefined, limit: 10_000 };
        for (const row of await reader.rows(further)) window.set(row.seq, row);
      }
      oldest = edge;
    }
  }
}

const edgeKey = (edge: ToolEdge) => `${edge.seq} ${edge.id}`;

/** A tool id without its direction: `call:ID` and `result:ID` belong together. */
const idOf = (toolId: string) => toolId.slice(toolId.indexOf(":") + 1);

/**
 * Results without their call below them, and calls without a result above. Ids may be reused in one conversation: what
 * belongs together is nearest. Among rows with gaps between them nothing is known to be nearest, and all are open.
 */
function openEdges(rows: readonly WindowRow[], areWithoutGaps: boolean): ToolEdge[] {
  const calls = new Map<string, ToolEdge>();
  const open: ToolEdge[] = [];
  for (const row of rows.filter((row) => row.toolIds !== null).sort((left, right) => left.seq - right.seq)) {
    // Results first: a message may answer one call and make the next under the same id.
    for (const toolId of [...(row.toolIds ?? [])].sort().reverse()) {
      const edge = { seq: row.seq, id: idOf(toolId), isResult: toolId.startsWith("result:") };
      if (edge.isResult && areWithoutGaps && calls.delete(edge.id)) continue;
      if (edge.isResult || !areWithoutGaps) open.push(edge);
      else calls.set(edge.id, edge);
    }
  }
  return [...open, ...calls.values()];
}
