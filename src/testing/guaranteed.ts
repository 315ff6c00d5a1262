import { describe, test, vi } from "vitest";
import type { Guarantee } from "../domain/guarantees.ts";

/** Looks until it holds, where a store repairs itself; where it must always hold, once. */
export type Eventually = <Value>(look: () => Promise<Value>) => Promise<Value>;

/** Declares one test of a guarantee. */
export type Check = (title: string, body: (eventually: Eventually) => Promise<void>, timeoutMs?: number) => void;

const longestRepairMs = 15_000;

/**
 * The tests of one guarantee, held to what the store declares: "required" must pass; "repaired" may take a while
 * wherever the test says `eventually`; "not offered" is expected to fail, and when all tests pass the declaration is
 * stale, which is red.
 *
 * @param level is read when the tests run, so that a store may be made by then
 */
export function guaranteed(title: string, level: () => Guarantee | Promise<Guarantee>, declare: (check: Check) => void): void {
  describe(title, () => {
    let passed = 0;
    let failed = 0;
    const check: Check = (name, body, timeoutMs) => {
      test(name, { timeout: timeoutMs ?? 30_000 }, async ({ annotate }) => {
        const guarantee = await level();
        if (guarantee === "required") return body((look) => look());
        if (guarantee.level === "repaired") return body((look) => vi.waitFor(look, { timeout: longestRepairMs, interval: 50 }));
        const problem = await body((look) => look()).then(
          () => undefined,
          (error: unknown) => error ?? new Error(),
        );
        if (problem === undefined) passed++;
        else failed++;
        await annotate(`${problem === undefined ? "holds" : "expected to fail"}; not offered: ${guarantee.why}`);
      });
    };
    declare(check);
    test("is declared as it is", async () => {
      const guarantee = await level();
      if (guarantee === "required" || guarantee.level === "repaired") return;
      if (passed > 0 && failed === 0)
        throw new Error(`"${title}" is declared as not offered (${guarantee.why}), and all of its tests pass: declare it`);
    });
  });
}
