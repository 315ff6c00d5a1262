import { BackendError } from "../../domain/errors.ts";
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

/** The same for one client. */
export function securedClient(client: SqlClient, scope: RowScope, role: string | undefined): SqlClient {
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

/**
 * Makes sure that the policies are in force on `tables`, and that they bind this role.
 *
 * @throws BackendError `backend_denied` when policies do not bind it
 */
export async function enforcePolicies(client: SqlClient, names: Names, tables: readonly string[], role: string | undefined): Promise<void> {
  const { rows } = await client.query<{ bypasses: boolean }>({ text: bypassSql(role) });
  if (rows[0]?.bypasses !== false) {
    throw new BackendError(
      client.engine === "embedded" ? "embedded" : "postgres",
      "open",
      `row-level security does not bind this role: connect as a role that is neither superuser nor BYPASSRLS, or name one with rls: { role }`,
      { code: "backend_denied" },
    );
  }
  await forcePolicies(client, names, tables, role);
}

/**
 * Forces the policies on those of `tables` that lack them, one process at a time. Where they are in force nothing is
 * locked: altering tables that others work on would wait for them, and may deadlock with them.
 */
async function forcePolicies(client: SqlClient, names: Names, tables: readonly string[], role: string | undefined): Promise<void> {
  await client.transaction(async (transaction) => {
    await transaction.query({
      text: "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))::text",
      values: [`unforget policies ${names.schema}.${names.prefix}`],
    });
    const { rows } = await transaction.query<{ name: string }>({
      text: `SELECT t.name FROM unnest($1::text[]) t(name) JOIN pg_class c ON c.oid = t.name::regclass
        WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = $2))
          OR NOT has_table_privilege(COALESCE($3::text, current_user::text), c.oid, 'DELETE')`,
      values: [tables, names.bare("own_rows"), role ?? null],
    });
    if (rows.length > 0)
      await transaction.execute(
        securitySql(
          names,
          rows.map((row) => row.name),
          role,
        ),
      );
  });
}

/** SQL that forces the policies on every table of ours, owner included, and grants them to `role`. Safe to run again. */
function securitySql(names: Names, tables: readonly string[], role: string | undefined): string {
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
function bypassSql(role: string | undefined): string {
  return `SELECT rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = ${role === undefined ? "current_user" : quoteLiteral(role)}`;
}
