import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeParts, encodeParts } from "../../../src/domain/parts-codec.ts";

const roundTrip = (parts: readonly unknown[]): readonly unknown[] => decodeParts(encodeParts(parts));

/*
 * No backslash in generated strings, which are keys too: once an object had such a key, JSON.parse of Node 24 takes
 * other keys that are written with an escape for it (https://github.com/nodejs/node/issues/63785).
 */
const character = fc.string({ unit: "binary", minLength: 1, maxLength: 1 }).filter((unit) => unit !== "\\");

/** Half surrogate pairs, NUL, the codec's own key and `__proto__` among the strings and keys. */
const text = fc.oneof(
  fc.string({ unit: character }),
  fc.constantFrom(
    "$unforget",
    "__proto__",
    "base64",
    "href",
    "iso",
    "value",
    "object",
    "URL",
    "Date",
    "Uint8Array",
    "\0",
    "\ud800",
    "\udc00",
  ),
);
const special = fc.oneof(
  fc.uint8Array(),
  fc.uint8Array().map((bytes) => bytes.slice().buffer as ArrayBuffer),
  fc.webUrl().map((url) => new URL(url)),
  fc.date({ noInvalidDate: false }),
);
const plain = fc.oneof(text, fc.double(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant(undefined));

/** Trees of JSON values, with or without values JSON cannot hold. */
const tree = (leaf: fc.Arbitrary<unknown>) =>
  fc.letrec<{ value: unknown; object: object; array: unknown[] }>((tie) => ({
    value: fc.oneof({ depthSize: "small" }, leaf, tie("object"), tie("array")),
    // Not by assignment, which would take `__proto__` for the prototype.
    object: fc
      .uniqueArray(fc.tuple(text, tie("value")), { selector: ([key]) => key, maxLength: 5 })
      .map((entries) => Object.fromEntries(entries)),
    array: fc.array(tie("value"), { maxLength: 5 }),
  })).value;

describe("parts", () => {
  test("of any JSON are the same to the letter, and written as plain JSON", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ stringUnit: character })), (parts) => {
        expect(encodeParts(parts)).toBe(JSON.stringify(parts));
        expect(JSON.stringify(roundTrip(parts))).toBe(JSON.stringify(parts));
      }),
    );
  });

  test("with any keys, the codec's own among them, are the same to the letter", () => {
    fc.assert(
      fc.property(fc.array(tree(plain)), (parts) => {
        expect(JSON.stringify(roundTrip(parts))).toBe(JSON.stringify(parts));
      }),
      { numRuns: 500 },
    );
  });

  test("with bytes, URLs and dates anywhere are deeply the same, and so is what they came from", () => {
    fc.assert(
      fc.property(fc.array(tree(fc.oneof(plain, special))), (parts) => {
        const before = structuredCloneOfSpecials(parts);
        const read = roundTrip(parts);
        expect(JSON.stringify(read)).toBe(JSON.stringify(parts));
        expect(read).toEqual(asJson(parts));
        expect(parts).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });

  test("encoded twice are decoded twice", () => {
    fc.assert(
      fc.property(fc.array(tree(fc.oneof(plain, special))), (parts) => {
        const once = JSON.parse(encodeParts(parts)) as unknown[];
        expect(JSON.stringify(roundTrip(once))).toBe(JSON.stringify(once));
      }),
    );
  });
});

test("the codes are those that are documented", () => {
  const parts = [Uint8Array.of(1, 2), Uint8Array.of(255).buffer, new URL("https://a.b/c"), new Date(0), { $unforget: 1 }];
  expect(encodeParts(parts)).toBe(
    '[{"$unforget":"Uint8Array","base64":"AQI="},{"$unforget":"ArrayBuffer","base64":"/w=="},' +
      '{"$unforget":"URL","href":"https://a.b/c"},{"$unforget":"Date","iso":"1970-01-01T00:00:00.000Z"},' +
      '{"$unforget":"object","value":{"$unforget":1}}]',
  );
});

test("a Buffer and a view of larger memory come back as their own bytes", () => {
  const memory = Uint8Array.of(9, 1, 2, 9);
  for (const bytes of [Buffer.from([1, 2]), memory.subarray(1, 3)]) {
    const [read] = roundTrip([bytes]) as [Uint8Array];
    expect(Object.getPrototypeOf(read)).toBe(Uint8Array.prototype);
    expect(read).toEqual(Uint8Array.of(1, 2));
    expect(read.buffer.byteLength).toBe(2);
  }
});

test("what only looks like a code stays what it is", () => {
  const parts = [
    { $unforget: "URL", href: "no url" },
    { $unforget: "Date" },
    { $unforget: "object", value: { $unforget: "object", value: [{ $unforget: "Uint8Array", base64: 7 }] } },
    { $unforget: new Date(0), at: new URL("https://a.b") },
    "$unforget",
  ];
  expect(roundTrip(parts)).toEqual(parts);
});

test("__proto__ is a key like any other", () => {
  const parts = [
    JSON.parse('{"__proto__":{"admin":true},"at":1}'),
    Object.assign(JSON.parse('{"__proto__":{"admin":true}}'), { at: new Date(0) }),
  ];
  const read = roundTrip(parts);
  for (const part of read) {
    expect(Object.getPrototypeOf(part)).toBe(Object.prototype);
    expect((part as { admin?: boolean }).admin).toBeUndefined();
  }
  expect(JSON.stringify(read)).toBe(JSON.stringify(parts));
});

test("undefined, functions and symbols go as in JSON; boxed values and other classes too", () => {
  const parts = [
    { type: "x", gone: undefined, f: () => 1, at: new Date(0) },
    [undefined, Symbol("s"), Number.NaN, Number.POSITIVE_INFINITY, -0, new Date(Number.NaN)],
    [new String("s"), new Number(1), new Map([[1, 2]]), Float32Array.of(1.5), /x/],
    Array(2),
    { toJSON: () => ({ at: 1, bytes: [1] }) },
  ];
  expect(JSON.stringify(roundTrip(parts))).toBe(JSON.stringify(parts));
});

test("one object at two places is no cycle; a cycle and a BigInt are a TypeError", () => {
  const shared = { at: new Date(0) };
  expect(roundTrip([shared, { shared }])).toEqual([shared, { shared }]);
  const cyclic: Record<string, unknown> = {};
  cyclic.self = [cyclic];
  expect(() => encodeParts([cyclic])).toThrow(TypeError);
  expect(() => encodeParts([{ value: 1n }])).toThrow(TypeError);
});

/** What JSON does to a value, with bytes, URLs and dates left as they are: no undefined fields, null for NaN and in arrays for undefined. */
function asJson(value: unknown): unknown {
  if (value === undefined || (typeof value === "number" && !Number.isFinite(value))) return null;
  if (Object.is(value, -0)) return 0;
  if (typeof value !== "object" || value === null || isSpecial(value)) return value;
  if (Array.isArray(value)) return value.map(asJson);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([key, field]) => [key, asJson(field)]),
  );
}

/** structuredClone does not know URLs. */
function structuredCloneOfSpecials(value: unknown): unknown {
  if (value instanceof URL) return new URL(value);
  if (typeof value !== "object" || value === null || isSpecial(value)) return structuredClone(value);
  if (Array.isArray(value)) return value.map(structuredCloneOfSpecials);
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, structuredCloneOfSpecials(field)]));
}

function isSpecial(value: object): boolean {
  return value instanceof Uint8Array || value instanceof ArrayBuffer || value instanceof URL || value instanceof Date;
}
