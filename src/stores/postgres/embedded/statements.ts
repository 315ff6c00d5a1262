import { createHash } from "node:crypto";
import { SqlError, type SqlResult, type SqlStatement } from "../sql-client.ts";
import { encodeValue } from "../values.ts";
import { readReply, statementMessage } from "./wire.ts";

/** Sends one protocol message to a session and gives its whole reply. */
export type Send = (message: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

export interface Statements {
  /** Runs a statement; with a `name` its plan is kept in the session and used again. */
  run<Row>(statement: SqlStatement, send: Send): Promise<SqlResult<Row>>;
}

/**
 * Statements on one session, with a memory of what is prepared there. The name in the session is a hash of the text:
 * processes with different versions of this library may share the session, and must not get each other's plans.
 */
export function preparedStatements(): Statements {
  const prepared = new Set<string>();
  return {
    async run<Row>(statement: SqlStatement, send: Send): Promise<SqlResult<Row>> {
      const { text, name } = statement;
      const values = (statement.values ?? []).map(encodeValue);
      if (name === undefined) return reply(await send(statementMessage({ text, name: "", parse: true, values })));
      const key = sessionName(text);
      if (prepared.has(key)) {
        try {
          return reply(await send(statementMessage({ text, name: key, parse: false, values })));
        } catch (error) {
          if (!isStale(error)) throw error;
          prepared.delete(key);
        }
      }
      const result = reply<Row>(await send(statementMessage({ text, name: key, parse: true, values })));
      prepared.add(key);
      return result;
    },
  };
}

/** One statement that leaves nothing in the session. */
export async function runUnnamed<Row>(statement: SqlStatement, send: Send): Promise<SqlResult<Row>> {
  const values = (statement.values ?? []).map(encodeValue);
  return reply(await send(statementMessage({ text: statement.text, name: "", parse: true, values })));
}

function reply<Row>(bytes: Uint8Array): SqlResult<Row> {
  const { rows, rowCount } = readReply(bytes);
  return { rows: rows as Row[], rowCount };
}

/** 26000: the session forgot it. 0A000: a migration changed what its `select *` gives. Neither has run. */
function isStale(error: unknown): boolean {
  if (!(error instanceof SqlError)) return false;
  return error.sqlState === "26000" || (error.sqlState === "0A000" && error.message.includes("cached plan"));
}

const names = new Map<string, string>();

function sessionName(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `unforget_${createHash("sha1").update(text).digest("base64url")}`;
    names.set(text, name);
  }
  return name;
}
