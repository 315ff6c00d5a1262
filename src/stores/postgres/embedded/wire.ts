/**
 * The part of PostgreSQL's wire protocol (version 3) that one statement needs, written and read here so that neither
 * the calling thread nor a second process has to load PGlite to talk to it.
 */
import { Buffer } from "node:buffer";
import { SqlError, type SqlResultValue } from "../sql-client.ts";
import { decodeValue } from "../values.ts";

export interface Reply {
  readonly rows: Record<string, SqlResultValue>[];
  readonly rowCount: number;
  /** The command tag, e.g. `"INSERT 0 1"`. */
  readonly tag: string;
}

export interface StatementMessage {
  readonly text: string;
  /** Empty for the unnamed statement. */
  readonly name: string;
  /** False when the session already holds the statement under this name. */
  readonly parse: boolean;
  readonly values: readonly (string | Uint8Array | null)[];
}

const describeExecuteSync = Buffer.from([68, 0, 0, 0, 6, 80, 0, 69, 0, 0, 0, 9, 0, 0, 0, 0, 0, 83, 0, 0, 0, 4]);

/** Parse (if asked), Bind, Describe, Execute and Sync in one buffer. Results are asked for as text. */
export function statementMessage({ text, name, parse, values }: StatementMessage): Uint8Array<ArrayBuffer> {
  const nameBytes = Buffer.byteLength(name);
  const textBytes = parse ? Buffer.byteLength(text) : 0;
  // Closing a name that does not exist is no error, and makes Parse succeed when it does.
  const closeLength = parse && nameBytes > 0 ? 1 + 4 + 1 + nameBytes + 1 : 0;
  const parseLength = parse ? 1 + 4 + nameBytes + 1 + textBytes + 1 + 2 : 0;
  let bindLength = 1 + 4 + 1 + nameBytes + 1 + 2 + 2 * values.length + 2 + 2;
  const lengths = new Array<number>(values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as string | Uint8Array | null;
    const length = value === null ? -1 : typeof value === "string" ? Buffer.byteLength(value) : value.byteLength;
    lengths[index] = length;
    bindLength += 4 + Math.max(length, 0);
  }
  if (values.length > 65_535) throw new SqlError("54023", "a statement takes at most 65,535 parameters");
  // Not from Node's shared pool: the buffer is handed over to another thread.
  const message = Buffer.from(new ArrayBuffer(closeLength + parseLength + bindLength + describeExecuteSync.length));
  let at = 0;
  const cString = (string: string) => {
    at += message.write(string, at);
    message[at++] = 0;
  };
  if (closeLength > 0) {
    message[at++] = 67;
    at = message.writeInt32BE(closeLength - 1, at);
    message[at++] = 83;
    cString(name);
  }
  if (parse) {
    message[at++] = 80;
    at = message.writeInt32BE(parseLength - 1, at);
    cString(name);
    cString(text);
    at = message.writeInt16BE(0, at);
  }
  message[at++] = 66;
  at = message.writeInt32BE(bindLength - 1, at);
  message[at++] = 0;
  cString(name);
  at = message.writeUInt16BE(values.length, at);
  for (const value of values) at = message.writeInt16BE(value instanceof Uint8Array ? 1 : 0, at);
  at = message.writeUInt16BE(values.length, at);
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as string | Uint8Array | null;
    at = message.writeInt32BE(lengths[index] as number, at);
    if (typeof value === "string") at += message.write(value, at);
    else if (value !== null) {
      message.set(value, at);
      at += value.byteLength;
    }
  }
  at = message.writeInt16BE(0, at);
  message.set(describeExecuteSync, at);
  return message;
}

/** A simple query: several statements in one implicit transaction. */
export function scriptMessage(sql: string): Uint8Array<ArrayBuffer> {
  const length = Buffer.byteLength(sql) + 5;
  const message = Buffer.from(new ArrayBuffer(length + 1));
  message[0] = 81;
  message.writeInt32BE(length, 1);
  message.write(sql, 5);
  return message;
}

/** `"I"` idle, `"T"` in a transaction, `"E"` in a failed one; undefined when the reply is not whole. */
export function transactionStatus(reply: Uint8Array): string | undefined {
  const at = reply.length - 6;
  if (at < 0 || reply[at] !== 90 || reply[at + 4] !== 5) return undefined;
  return String.fromCharCode(reply[at + 5] as number);
}

/** Reads the reply to one message; the first error in it is thrown, without anything a row may have held. */
export function readReply(bytes: Uint8Array): Reply {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows: Record<string, SqlResultValue>[] = [];
  let names: string[] = [];
  let types: number[] = [];
  let tag = "";
  let failure: SqlError | undefined;
  for (let at = 0; at + 5 <= buffer.length; ) {
    const kind = buffer[at];
    const end = at + 1 + buffer.readInt32BE(at + 1);
    at += 5;
    if (kind === 68) {
      const row: Record<string, SqlResultValue> = {};
      at += 2;
      for (let column = 0; column < names.length; column++) {
        const length = buffer.readInt32BE(at);
        at += 4;
        const text = length < 0 ? null : buffer.toString("utf8", at, at + length);
        if (length > 0) at += length;
        row[names[column] as string] = decodeValue(types[column] as number, text);
      }
      rows.push(row);
    } else if (kind === 84) {
      ({ names, types } = readColumns(buffer, at));
    } else if (kind === 67) {
      tag = buffer.toString("utf8", at, end - 1);
    } else if (kind === 69) {
      failure ??= readError(buffer, at);
    }
    at = end;
  }
  if (failure !== undefined) throw failure;
  const count = Number(tag.slice(tag.lastIndexOf(" ") + 1));
  return { rows, rowCount: Number.isNaN(count) ? 0 : count, tag };
}

function readColumns(buffer: Buffer, start: number): { names: string[]; types: number[] } {
  const count = buffer.readInt16BE(start);
  const names = new Array<string>(count);
  const types = new Array<number>(count);
  let at = start + 2;
  for (let column = 0; column < count; column++) {
    const end = buffer.indexOf(0, at);
    names[column] = buffer.toString("utf8", at, end);
    types[column] = buffer.readUInt32BE(end + 7);
    at = end + 19;
  }
  return { names, types };
}

function readError(buffer: Buffer, start: number): SqlError {
  const fields = new Map<string, string>();
  for (let at = start; buffer[at] !== 0; ) {
    const end = buffer.indexOf(0, at + 1);
    fields.set(String.fromCharCode(buffer[at] as number), buffer.toString("utf8", at + 1, end));
    at = end + 1;
  }
  return sqlError(fields.get("C") ?? "XX000", fields.get("M") ?? "unknown error", fields.get("n"));
}

/**
 * Detail and context are left out: they quote rows. So do the messages of class 22 ("invalid input syntax for type
 * integer: …"), of which only the SQLSTATE is kept.
 */
export function sqlError(sqlState: string, message: string, constraint?: string | undefined): SqlError {
  const text = sqlState.startsWith("22") ? `a value does not fit its type or place (SQLSTATE ${sqlState})` : message;
  return new SqlError(sqlState, text, { constraint });
}
