import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SessionGuarantees } from "../domain/guarantees.ts";
import type { SessionStore } from "../domain/session-store.ts";
import { guaranteed } from "./guaranteed.ts";
import { atomic } from "./session-store/atomic.ts";
import { closedWindows } from "./session-store/closed-windows.ts";
import { conversations } from "./session-store/conversations.ts";
import { deleted } from "./session-store/deleted.ts";
import { durable } from "./session-store/durable.ts";
import { levelOf, makeFixture, type SessionStorePlace, type StorePromise } from "./session-store/fixture.ts";
import { idempotent } from "./session-store/idempotent.ts";
import { isolated } from "./session-store/isolated.ts";
import { afterRestart, expectUnreachable, lifecycle } from "./session-store/lifecycle.ts";
import { lossless } from "./session-store/lossless.ts";
import { messages } from "./session-store/messages.ts";
import { ordered } from "./session-store/ordered.ts";
import { outbox } from "./session-store/outbox.ts";
import { readYourWrites } from "./session-store/read-your-writes.ts";
import { stablePages } from "./session-store/stable-pages.ts";
import { text } from "./session-store/text.ts";

export type { SessionStorePlace } from "./session-store/fixture.ts";

/** What the suite is to expect of a store beside its guarantees, and how long it waits. */
export interface SessionStoreSuiteOptions {
  /**
   * Tests that are expected to fail, by their title, each with the reason. A test of a guarantee may stand here only when
   * the store declares that guarantee as not offered; the other tests of the guarantee must then pass. One that
   * passes is red: take it out.
   * @default none
   */
  readonly except?: Readonly<Record<string, string>> | undefined;
  /** Makes a store of a server that is not there, to see that it says so. @default not tested */
  readonly unreachable?: (() => SessionStore) | undefined;
  /** How long assertions may take to hold where the store repairs, or shows writes late. @default 10000 */
  readonly repairMs?: number | undefined;
  /** For each test. @default 60000 */
  readonly timeoutMs?: number | undefined;
}

const groups: Readonly<Record<keyof SessionGuarantees, readonly StorePromise[]>> = {
  durable,
  ordered,
  idempotent,
  atomic,
  closedWindows,
  stablePages,
  isolated,
  readYourWrites,
  deleted,
  lossless,
  outbox,
  text,
};

const always = { conversations, messages, lifecycle };

/**
 * Holds a session store to the promises of its interface and to the guarantees it declares: what is required must pass,
 * what is repaired may take {@link SessionStoreSuiteOptions.repairMs} to show, and of what is not offered something must
 * fail, or the declaration is stale.
 *
 * `open` gives an empty place that nothing else writes to; the suite opens and closes its store. It is called once for
 * most tests and about ten times more for those that close the store or use hostile tenants.
 *
 * @example
 * sessionStoreSuite("files", async () => {
 *   const directory = await mkdtemp(join(tmpdir(), "files-"));
 *   return {
 *     store: fileSessionStore({ directory }),
 *     reopen: async () => fileSessionStore({ directory }),
 *     cleanup: () => rm(directory, { recursive: true }),
 *   };
 * });
 */
export function sessionStoreSuite(name: string, open: () => Promise<SessionStorePlace>, options: SessionStoreSuiteOptions = {}): void {
  const { except = {}, unreachable, repairMs = 10_000, timeoutMs = 60_000 } = options;

  describe(`session store ${name}`, () => {
    let place: SessionStorePlace;

    beforeAll(async () => {
      place = await open();
      await place.store.open();
    }, 120_000);
    afterAll(async () => {
      await place?.store.close();
      await place?.cleanup?.();
    }, 120_000);

    const run = async (check: StorePromise["check"], isRepaired: boolean) => {
      const isLate = isRepaired || levelOf(place.store.guarantees, "readYourWrites") !== "required";
      const { fixture, dispose } = makeFixture(place, isLate ? repairMs : 0, open);
      try {
        await check(fixture);
      } finally {
        await dispose();
      }
    };

    for (const [guarantee, promises] of Object.entries(groups) as [keyof SessionGuarantees, readonly StorePromise[]][]) {
      const excepted = promises.filter((promise) => promise.title in except);
      const level = () => (excepted.length > 0 ? "required" : place.store.guarantees[guarantee]);
      guaranteed(guarantee, level, (check) => {
        for (const { title, check: body } of promises) {
          const isRepaired = () => levelOf(place.store.guarantees, guarantee) === "repaired";
          const attempt = () => run(body, isRepaired());
          const reason = except[title];
          check(title, () => (reason === undefined ? attemptUnlessAbsent(guarantee, attempt) : expectFailure(attempt, reason)), timeoutMs);
        }
      });
      if (excepted.length > 0) {
        test(`${guarantee} is declared as not offered, as some of its tests are excepted`, () => {
          expect(levelOf(place.store.guarantees, guarantee)).toBe("not offered");
        });
      }
    }

    /** Without the optional part of the interface nothing is tried: it must be declared so. */
    async function attemptUnlessAbsent(guarantee: keyof SessionGuarantees, attempt: () => Promise<void>): Promise<void> {
      const isAbsent =
        (guarantee === "text" && place.store.searchText === undefined) || (guarantee === "outbox" && place.store.outbox === undefined);
      if (isAbsent)
        expect.fail(`the store has no ${guarantee === "text" ? "searchText" : "outbox"}: declare "${guarantee}" as not offered`);
      await attempt();
    }

    for (const [group, promises] of Object.entries(always)) {
      describe(group, () => {
        for (const { title, check } of promises) {
          const reason = except[title];
          test(title, { timeout: timeoutMs }, () =>
            reason === undefined ? run(check, false) : expectFailure(() => run(check, false), reason),
          );
        }
      });
    }

    test(afterRestart.title, { timeout: 2 * timeoutMs }, async ({ skip }) => {
      if (place.restart === undefined) return skip("the place has no `restart`");
      await run(afterRestart.check, false);
    });

    if (unreachable !== undefined) {
      test("a server that cannot be reached is an error that says so, and an answer of health", { timeout: timeoutMs }, async () => {
        await run((fixture) => expectUnreachable(fixture, unreachable()), false);
      });
    }

    test("exceptions name tests of this suite", () => {
      const titles = new Set([...Object.values(groups), ...Object.values(always)].flat().map((promise) => promise.title));
      expect(Object.keys(except).filter((title) => !titles.has(title))).toEqual([]);
    });
  });
}

/** Passes when the work fails, as `test.fails` does; work that succeeds makes the exception stale. */
export async function expectFailure(work: () => Promise<void>, reason: string): Promise<void> {
  const hasFailed = await work().then(
    () => false,
    () => true,
  );
  if (!hasFailed) throw new Error(`this test is excepted (${reason}), and it passes: take the exception out`);
}
