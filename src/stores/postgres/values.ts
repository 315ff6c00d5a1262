import type { SqlResultValue, SqlValue } from "./sql-client.ts";

/** The text (or binary) form of a parameter, the same for every client. */
export function encodeValue(value: SqlValue | undefined): string | Uint8Array | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return value;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return encodeArray(value);
  if (typeof value === "boolean") return value ? "t" : "f";
  return String(value);
}

const needsQuotes = /[\s{}",\\]|^$|^null$/i;

function encodeArray(items: readonly (string | number | boolean | null)[]): string {
  const encoded = new Array<string>(items.length);
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as string | number | boolean | null;
    if (item === null) encoded[index] = "NULL";
    else if (typeof item === "string") encoded[index] = needsQuotes.test(item) ? `"${item.replace(/["\\]/g, "\\$&")}"` : item;
    else encoded[index] = typeof item === "boolean" ? (item ? "t" : "f") : String(item);
  }
  return `{${encoded.join(",")}}`;
}

// Object ids of built-in types are fixed: see pg_type.dat in the PostgreSQL source.
const decoders: Record<number, (text: string) => SqlResultValue> = {
  16: (text) => text === "t",
  20: Number,
  21: Number,
  23: Number,
  26: Number,
  700: Number,
  701: Number,
  1700: Number,
  1184: decodeTimestamp,
  1000: (text) => decodeArray(text, (item) => item === "t"),
  1005: (text) => decodeArray(text, Number),
  1007: (text) => decodeArray(text, Number),
  1016: (text) => decodeArray(text, Number),
  1021: (text) => decodeArray(text, Number),
  1022: (text) => decodeArray(text, Number),
  1009: (text) => decodeArray(text, (item) => item),
  1015: (text) => decodeArray(text, (item) => item),
};

/** The value of a result field in text format; types without a decoder stay text. */
export function decodeValue(typeId: number, text: string | null): SqlResultValue {
  if (text === null) return null;
  const decode = decoders[typeId];
  return decode === undefined ? text : decode(text);
}

/** `2026-11-21 04:24:00.123456+00` (ISO date style); infinities and dates before Christ are not produced by this library. */
function decodeTimestamp(text: string): Date {
  const iso = text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
  return new Date(iso);
}

function decodeArray<Item extends string | number | boolean>(text: string, decode: (item: string) => Item): (Item | null)[] {
  const items: (Item | null)[] = [];
  let position = 1;
  while (position < text.length && text[position] !== "}") {
    if (text[position] === ",") position++;
    if (text[position] === '"') {
      let item = "";
      for (position++; text[position] !== '"'; position++) {
        if (text[position] === "\\") position++;
        item += text[position];
      }
      position++;
      items.push(decode(item));
    } else {
      const start = position;
      while (text[position] !== "," && text[position] !== "}") position++;
      const item = text.slice(start, position);
      items.push(item === "NULL" ? null : decode(item));
    }
  }
  return items;
}
