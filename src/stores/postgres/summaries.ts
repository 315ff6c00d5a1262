import type { Names } from "./names.ts";
import { lockOwners } from "./records.ts";
import type { SqlTransaction } from "./sql-client.ts";

// Summaries are records of the core's: their position is the last place they stand for, `fromSeq` in their data the first.
// Leases of those that are being made look alike.

const ofPlace = (record: string, place: string) =>
  `${record}.type IN ('summary', 'summary_lease') AND ${record}.position >= ${place} AND (${record}.data->>'fromSeq')::float8 <= ${place}`;

/** SQL: common table expression that deletes what was made of messages in `landed` that say something else now. */
export function forgottenSummaries({ table }: Names): string {
  return `forgotten_summaries AS (
  DELETE FROM ${table.records} r USING (
    SELECT DISTINCT s.tenant, s.user_id, s.type, s.id
    FROM (SELECT tenant, user_id, conversation_id, place FROM landed WHERE is_replaced) l
    CROSS JOIN LATERAL (SELECT x.tenant, x.user_id, x.type, x.id FROM ${table.records} x
      WHERE x.tenant = l.tenant AND x.conversation_id = l.conversation_id AND x.user_id = l.user_id AND ${ofPlace("x", "l.place")} OFFSET 0) s
  ) g WHERE r.tenant = g.tenant AND r.user_id = g.user_id AND r.type = g.type AND r.id = g.id
)`;
}

/** Places of conversations. */
export interface ForgottenPlaces {
  readonly userIds: readonly string[];
  readonly conversationIds: readonly string[];
  readonly seqs: readonly number[];
}

/** Deletes what was made of these places; whoever is writing records of these users comes before it or after. */
export async function forgetSummariesIn(
  names: Names,
  transaction: SqlTransaction,
  tenant: string,
  { userIds, conversationIds, seqs }: ForgottenPlaces,
): Promise<void> {
  await lockOwners(
    names,
    transaction,
    userIds.map((userId) => ({ tenant, userId })),
  );
  await transaction.query({
    text: `DELETE FROM ${names.table.records} r USING unnest($2::text[], $3::text[], $4::bigint[]) k(user_id, conversation_id, seq)
  WHERE r.tenant = $1 AND r.conversation_id = k.conversation_id AND r.user_id = k.user_id AND ${ofPlace("r", "k.seq")}`,
    values: [tenant, userIds, conversationIds, seqs],
  });
}
