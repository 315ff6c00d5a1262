import { createHash } from "node:crypto";

/** 22 letters, digits, `-` and `_` that stand for this list of texts and no other: the first 128 bits of its SHA-256. */
export function stableId(...parts: readonly string[]): string {
  return digest(parts).subarray(0, 16).toString("base64url");
}

/** The same as a UUID (version 8, RFC 9562), for backends whose ids are UUIDs. */
export function stableUuid(...parts: readonly string[]): string {
  const bytes = digest(parts).subarray(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** JSON keeps lists apart that would be alike when joined, and writes halves of surrogate pairs out. */
function digest(parts: readonly string[]): Buffer {
  return createHash("sha256").update(JSON.stringify(parts)).digest();
}
