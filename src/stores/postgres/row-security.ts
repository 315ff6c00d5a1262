import type { Database } from "./database.ts";
import { type Names, quoteIdentifier, quoteLiteral } from "./names.ts";
import type { SqlClient, SqlStatement, SqlTransaction } from "./sql-client.ts";

/** The tenant and user rows must carry to be seen; undefined means every one (the worker, the administrator's handle). */
export interface RowScope {
  readonly tenant: string | undefined;
  readonly userId: string | undefined;
}

/**
 * Row-level security as a second wall: statements run in a transaction that names the scope, and policies hide every
 * other row, even from a statement that forgot its WHERE. Costs three more trips a call; words are then reached
 * through the (tenant, user) b-tree, because `@@` is not leakproof.
 */
export function securedDatabase(database: Database, scope: RowScope, role: string | undefined): Database {
  return Object.create(database, { client: { value: securedClient(database.client, scope, role) } }) as Database;
}

const everyone = "*";

function securedClient(client: SqlClient, scope: RowScope, role: string | undefined): SqlClient {
  const enter = async (transaction: SqlTransaction) => {
    await transaction.query({
      text: "SELECT set_config('unforget.tenant', $1, true), set_config('unforget.user_id', $2, true)",
      values: [scope.tenant === undefined ? everyone : `=${scope.tenant}`, scope.userId === undefined ? everyone : `=${scope.userId}`],
    });
    if (role !== undefined) await transaction.execute(`SET LOCAL ROLE ${quoteIdentifier(role)}`);
  };
  return {
    engine: client.engine,
    query: <Row>(statement: SqlStatement) =>
      client.transaction(
        async (transaction) => {
          await enter(transaction);
          return transaction.query<Row>(statement);
        },
        { signal: statement.signal },
      ),
    execute: (sql) => client.execute(sql),
    transaction: (work, options) =>
      client.transaction(async (transaction) => {
        await enter(transaction);
        return work(transaction);
      }, options),
    close: () => client.close(),
  };
}

/** SQL that forces the policies on every table of ours, owner included, and grants them to `role`. Safe to run again. */
export function securitySql(names: Names, tables: readonly string[], role: string | undefined): string {
  const policy = names.index("own_rows");
  const visible = (column: string, hasUser: boolean) =>
    `(current_setting('unforget.tenant', true) = '*' OR ${column === "" ? "" : `${column}.`}tenant = substr(current_setting('unforget.tenant', true), 2))` +
    (hasUser
      ? ` AND (current_setting('unforget.user_id', true) = '*' OR user_id = substr(current_setting('unforget.user_id', true), 2))`
      : "");
  const statements = tables.flatMap((table) => [
    `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
    `DROP POLICY IF EXISTS ${policy} ON ${table}`,
    // The directory answers whose a conversation is: within a tenant, everybody may ask.
    `CREATE POLICY ${policy} ON ${table} USING (${visible("", table !== names.table.conversation_owners)})`,
    ...(role === undefined ? [] : [`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${quoteIdentifier(role)}`]),
  ]);
  if (role !== undefined) {
    statements.push(
      `GRANT USAGE ON SCHEMA ${names.quotedSchema} TO ${quoteIdentifier(role)}`,
      `GRANT SELECT ON ${names.table.spaces}, ${names.table.migrations} TO ${quoteIdentifier(role)}`,
      `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${names.quotedSchema} TO ${quoteIdentifier(role)}`,
    );
  }
  return statements.join(";\n");
}

/** Whether policies bind this role at all: superusers and BYPASSRLS roles walk through them. */
export function bypassSql(role: string | undefined): string {
  return `SELECT rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = ${role === undefined ? "current_user" : quoteLiteral(role)}`;
}
