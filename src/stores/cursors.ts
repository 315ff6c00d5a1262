import { InvalidArgumentError } from "../domain/errors.ts";

/** What orders a list; a cursor of one order means nothing in another. */
export interface ListOrder {
  readonly orderBy: string;
  readonly direction: "asc" | "desc";
}

export type CursorValue = string | number | null;

/** The place of a row in a list, by what orders it: opaque to callers, and checked when it comes back. */
export function encodeCursor(order: ListOrder, place: readonly CursorValue[]): string {
  return Buffer.from(JSON.stringify([order.orderBy, order.direction, ...place])).toString("base64url");
}

/**
 * The place an {@link encodeCursor} gave, of `length` values.
 * @throws InvalidArgumentError when it is of another list, or none
 */
export function decodeCursor(order: ListOrder, cursor: string, length: number): CursorValue[] {
  const [orderBy, direction, ...place] = parse(cursor);
  const isPlace = (value: unknown): value is CursorValue => value === null || typeof value === "string" || typeof value === "number";
  if (orderBy === order.orderBy && direction === order.direction && place.length === length && place.every(isPlace)) return place;
  throw new InvalidArgumentError(
    "cursor",
    "is not a cursor of this list: pass the nextCursor of a page with the same orderBy and direction",
  );
}

function parse(cursor: string): unknown[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}
