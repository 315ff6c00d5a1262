/**
 * What a process and the owner of a data directory say to each other: a greeting each way, then length-prefixed frames.
 * A request carries one protocol message of PostgreSQL, a response its reply. Within the owner's process the same
 * requests travel as structured messages, without the bytes of a frame.
 */
import { Buffer } from "node:buffer";

/** Raised when a frame changes meaning; owner and client must agree. */
export const protocolVersion = 1;

export interface Request {
  readonly id: number;
  /** The transaction it belongs to, numbered by the client; 0 for none. */
  readonly lease: number;
  /** `open`: wait until nobody else has a transaction, then hold the database. `close`: let go of it afterwards. */
  readonly step: RequestStep;
  readonly message: Uint8Array<ArrayBuffer>;
}

export const requestStep = { run: 0, open: 1, close: 2 } as const;
export type RequestStep = (typeof requestStep)[keyof typeof requestStep];

export interface Response {
  readonly id: number;
  readonly outcome: ResponseOutcome;
  /** PostgreSQL's reply; empty when there is none. */
  readonly reply: Uint8Array<ArrayBuffer>;
}

/** `expired`: the transaction had been rolled back, for its client was silent. `crashed`: the statement stopped the engine. */
export const responseOutcome = { replied: 0, expired: 1, crashed: 2 } as const;
export type ResponseOutcome = (typeof responseOutcome)[keyof typeof responseOutcome];

export interface Greeting {
  readonly unforget: number;
  /** From the client: what it read in the directory, to show that it may. */
  readonly token?: string;
}

/** What to transfer to another thread with these bytes; copying is cheaper while they are few. */
export function handedOver(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer[] {
  return bytes.byteLength > 4096 ? [bytes.buffer] : [];
}

const requestHeaderLength = 13;
const maxFrameLength = 1 << 30;
/** The first frame of each side is a greeting; nobody needs more for it. */
export const maxGreetingLength = 1024;

export function encodeRequest({ id, lease, step, message }: Request): Buffer[] {
  const header = Buffer.allocUnsafe(requestHeaderLength);
  header.writeUInt32BE(requestHeaderLength - 4 + message.byteLength, 0);
  header.writeUInt32BE(id, 4);
  header.writeUInt32BE(lease, 8);
  header[12] = step;
  return [header, Buffer.from(message.buffer, message.byteOffset, message.byteLength)];
}

export function decodeRequest(frame: Buffer<ArrayBuffer>): Request {
  return { id: frame.readUInt32BE(0), lease: frame.readUInt32BE(4), step: frame[8] as RequestStep, message: frame.subarray(9) };
}

export function encodeResponse({ id, outcome, reply }: Response): Buffer[] {
  const header = Buffer.allocUnsafe(9);
  header.writeUInt32BE(5 + reply.byteLength, 0);
  header.writeUInt32BE(id, 4);
  header[8] = outcome;
  return [header, Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength)];
}

export function decodeResponse(frame: Buffer<ArrayBuffer>): Response {
  return { id: frame.readUInt32BE(0), outcome: frame[4] as ResponseOutcome, reply: frame.subarray(5) };
}

export function encodeGreeting(greeting: Greeting): Buffer {
  const text = Buffer.from(JSON.stringify(greeting));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(text.length, 0);
  return Buffer.concat([length, text]);
}

/** Undefined when it is none: something else is at the other end. */
export function decodeGreeting(frame: Buffer): Greeting | undefined {
  try {
    const value: unknown = JSON.parse(frame.toString("utf8"));
    if (typeof value !== "object" || value === null || !("unforget" in value) || typeof value.unforget !== "number") return undefined;
    const token = "token" in value && typeof value.token === "string" ? value.token : undefined;
    return token === undefined ? { unforget: value.unforget } : { unforget: value.unforget, token };
  } catch {
    return undefined;
  }
}

/** Cuts a byte stream into frames; throws on a length that no peer of ours would send. */
export function frameReader(onFrame: (frame: Buffer<ArrayBuffer>) => void): { push(chunk: Buffer): void; limit: number } {
  let parts: Buffer[] = [];
  let buffered = 0;
  let needed = 4;
  const reader = {
    limit: maxGreetingLength,
    push(chunk: Buffer): void {
      parts.push(chunk);
      buffered += chunk.length;
      // Joined only when a whole frame is there: a large one arrives in thousands of chunks.
      if (buffered < needed) return;
      let data = Buffer.concat(parts);
      for (;;) {
        needed = 4;
        if (data.length < 4) break;
        const length = data.readUInt32BE(0);
        if (length > reader.limit) throw new Error("a frame is too long");
        needed = 4 + length;
        if (data.length < needed) break;
        const frame = data.subarray(4, needed);
        data = data.subarray(needed);
        onFrame(frame);
      }
      parts = data.length === 0 ? [] : [data];
      buffered = data.length;
    },
  };
  return reader;
}

/** After the greetings. */
export function allowWholeFrames(reader: { limit: number }): void {
  reader.limit = maxFrameLength;
}
