import { expect, test } from "vitest";
import { handedOut } from "../../src/agent/handed-out.ts";

test("as much as may come at once is handed out", async () => {
  const out = handedOut();
  out.add(Array.from({ length: 300_000 }, () => ({ type: "text-delta", text: "word " })));
  out.end();
  let length = 0;
  for await (const piece of out.texts()) length += piece.length;
  expect(length).toBe(1_500_000);
});
