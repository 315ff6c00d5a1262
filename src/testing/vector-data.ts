import { matchesFilter } from "../domain/filter.ts";
import type { VectorEntry, VectorQuery } from "../domain/vector-store.ts";

/** A small seeded generator: the same numbers in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Vectors in every direction, none of them of length 1. */
export function randomVectors(count: number, dimensions: number, seed: number): Float32Array[] {
  const random = seededRandom(seed);
  const gaussian = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: count }, () => {
    const length = 0.2 + 3 * random();
    return Float32Array.from({ length: dimensions }, () => length * gaussian());
  });
}

/** The same direction at length 1. */
export function normalized(vector: Float32Array): Float32Array {
  const length = Math.sqrt(dot(vector, vector));
  return vector.map((value) => value / length);
}

/** Cosine similarity in double precision. */
export function cosineSimilarity(left: Float32Array, right: Float32Array): number {
  return dot(left, right) / Math.sqrt(dot(left, left) * dot(right, right));
}

function dot(left: Float32Array, right: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < left.length; index++) sum += left[index]! * right[index]!;
  return sum;
}

/** What the documentation of `VectorQuery` says, in plain code. */
export function isWanted(entry: VectorEntry, { scope, conversationId, roles, since, until, filter }: Conditions): boolean {
  return (
    entry.tenant === scope.tenant &&
    (scope.userId === undefined || entry.userId === scope.userId) &&
    (scope.resourceId === undefined || entry.resourceId === scope.resourceId) &&
    (conversationId === undefined || entry.conversationId === conversationId) &&
    (roles === undefined || roles.includes(entry.role)) &&
    (since === undefined || entry.createdAt >= since) &&
    (until === undefined || entry.createdAt < until) &&
    matchesFilter(entry.metadata, filter)
  );
}

/** What a vector has to meet to be compared at all. */
export type Conditions = Omit<VectorQuery, "vector" | "limit">;

/** A key that no id can forge. */
export function keyOf({ userId, conversationId, messageId }: Pick<VectorEntry, "userId" | "conversationId" | "messageId">): string {
  return JSON.stringify([userId, conversationId, messageId]);
}

const first = Date.UTC(2026, 0, 1);
const minute = 60_000;

/** When the message of this place in {@link population} was written. */
export function timeOf(index: number): Date {
  return new Date(first + index * minute + ((index * 37) % 1000));
}

/**
 * Messages of one tenant in which a tenth, a hundredth and a thousandth can be chosen by user, by conversation and by
 * metadata.
 */
export function population(tenant: string, count: number, dimensions: number): VectorEntry[] {
  const roles = ["user", "assistant", "tool", "system"];
  return randomVectors(count, dimensions, 7).map((vector, index) => ({
    tenant,
    userId: `user-${shareOf(index)}`,
    conversationId: index % 10 === 0 ? "conversation-tenth" : `conversation-${shareOf(index + 7)}`,
    messageId: `message-${index}`,
    resourceId: `agent-${index % 3}`,
    role: roles[index % 4]!,
    seq: index + 1,
    createdAt: timeOf(index),
    importance: index % 4 === 0 ? null : (index % 5) / 4,
    revision: `revision-${index}`,
    metadata: {
      share: shareOf(index + 3),
      label: `label ${index % 10}`,
      number: index % 100,
      flag: index % 2 === 0,
      mixed: index % 2 === 0 ? "1" : 1,
      ...(index % 5 === 0 ? { nothing: null } : {}),
    },
    vector,
  }));
}

function shareOf(index: number): string {
  if (index % 1000 === 2) return "thousandth";
  if (index % 100 === 1) return "hundredth";
  return index % 10 === 0 ? "tenth" : "rest";
}

/** Ids as people, other systems and attackers make them. Each differs from every other. */
export const hostileIds: readonly string[] = [
  "acme",
  "acme-corp",
  "Acme",
  "acme ",
  " acme",
  "a",
  "a%",
  "a_",
  "a*",
  "a?",
  "a:b",
  "a|b",
  "a/b",
  "a,b",
  "a.b",
  "a#b",
  "a\\b",
  "a\\\\b",
  "a\nb",
  "a\tb",
  "a\u001fb",
  "a'b",
  'a"b',
  "a`b",
  "'; DROP TABLE vectors; --",
  "{}",
  "{a}",
  "[a]",
  "(a)",
  "@a",
  "-a",
  "$ne",
  "*",
  "%",
  "?",
  "__proto__",
  "null",
  "undefined",
  "0",
  "00",
  "1e3",
  "\u00e9",
  "e\u0301",
  "\u212b",
  "\u00c5",
  "\u{1f9e0}",
  "\u043a\u043b\u044e\u0447",
  "\u200b",
  `${"x".repeat(511)}a`,
  `${"x".repeat(511)}b`,
  "\u{1d11e}".repeat(256),
];
