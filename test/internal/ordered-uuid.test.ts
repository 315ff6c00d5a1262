import { expect, test } from "vitest";
import { orderedUuid } from "../../src/internal/ordered-uuid.ts";

test("ids of one process sort in the order they were made, however fast", () => {
  const ids = Array.from({ length: 20_000 }, orderedUuid);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(true);
});
