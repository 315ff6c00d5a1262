import type { Part } from "./message.ts";

/*
 * JSON that also holds bytes, URLs and dates: each is written as an object with the key "$unforget", which names its
 * type. An object of the caller's own that has this key is wrapped, so that nothing is mistaken for a code.
 *
 *   {"$unforget":"Uint8Array","base64":"…"}   {"$unforget":"URL","href":"…"}   {"$unforget":"Date","iso":"…"}
 *   {"$unforget":"object","value":{…}}
 */
const tag = "$unforget";

/** JSON of parts; `JSON.stringify(decodeParts(encodeParts(parts))) === JSON.stringify(parts)`. Throws a TypeError for cycles and BigInt. */
export function encodeParts(parts: readonly unknown[]): string {
  return JSON.stringify(encode(parts, []));
}

/** What {@link encodeParts} wrote; bytes, URLs and dates are again what they were. */
export function decodeParts(json: string): Part[] {
  const parsed: unknown = JSON.parse(json);
  return (json.includes(tag) ? decode(parsed) : parsed) as Part[];
}

/** The value itself when nothing in it needs a code; else a copy. */
function encode(value: unknown, above: readonly object[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (above.includes(value)) throw new TypeError("cyclic value");
  if (value instanceof Uint8Array)
    return { [tag]: "Uint8Array", base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  if (value instanceof ArrayBuffer) return { [tag]: "ArrayBuffer", base64: Buffer.from(value).toString("base64") };
  if (value instanceof URL) return { [tag]: "URL", href: value.href };
  if (value instanceof Date) return { [tag]: "Date", iso: Number.isNaN(value.getTime()) ? null : value.toISOString() };
  if ("toJSON" in value && typeof value.toJSON === "function") return encode(value.toJSON(), [...above, value]);
  const path = [...above, value];
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    value.forEach((item, index) => {
      const encoded = encode(item, path);
      if (encoded !== item) {
        copy ??= [...value];
        copy[index] = encoded;
      }
    });
    return copy ?? value;
  }
  let entries: [string, unknown][] | undefined;
  for (const [key, field] of Object.entries(value)) {
    const encoded = encode(field, path);
    if (encoded !== field) {
      entries ??= Object.entries(value);
      (entries.find(([name]) => name === key) as [string, unknown])[1] = encoded;
    }
  }
  const object = entries === undefined ? value : Object.fromEntries(entries);
  return Object.hasOwn(value, tag) ? { [tag]: "object", value: object } : object;
}

function decode(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  const object = value as Record<string, unknown>;
  if (Object.hasOwn(object, tag)) {
    if (object[tag] === "Uint8Array") return new Uint8Array(Buffer.from(object.base64 as string, "base64"));
    if (object[tag] === "ArrayBuffer") return new Uint8Array(Buffer.from(object.base64 as string, "base64")).buffer;
    if (object[tag] === "URL") return new URL(object.href as string);
    if (object[tag] === "Date") return new Date((object.iso as string | null) ?? Number.NaN);
    if (object[tag] === "object") return decodeFields(object.value as Record<string, unknown>);
  }
  return decodeFields(object);
}

function decodeFields(object: Record<string, unknown>): unknown {
  return Object.fromEntries(Object.entries(object).map(([key, field]) => [key, decode(field)]));
}
