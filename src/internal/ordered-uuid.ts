import { randomUUID } from "node:crypto";

let lastMs = 0;
let count = 0;

/** A UUID (version 7) that sorts after those this process made before. */
export function orderedUuid(): string {
  const now = Date.now();
  count = now > lastMs ? 0 : count + 1;
  // 12 bits count within a millisecond; beyond, the next one is begun early.
  lastMs = Math.max(now, lastMs) + (count > 0xfff ? 1 : 0);
  count %= 0x1000;
  const time = lastMs.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count.toString(16).padStart(3, "0")}-${randomUUID().slice(19)}`;
}
