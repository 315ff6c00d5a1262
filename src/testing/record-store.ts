import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RecordGuarantees } from "../domain/guarantees.ts";
import type { RecordStore } from "../domain/record-store.ts";
import { type Check, guaranteed } from "./guaranteed.ts";
import { atomicTests } from "./record-store/atomic.ts";
import { consistentTests } from "./record-store/consistent.ts";
import { deletedTests } from "./record-store/deleted.ts";
import { durableTests } from "./record-store/durable.ts";
import type { RecordStorePlace, Tools } from "./record-store/fixture.ts";
import { isolatedTests } from "./record-store/isolated.ts";
import { expectAfterRestart, lifeTests } from "./record-store/life.ts";
import { listTests } from "./record-store/lists.ts";
import { losslessTests } from "./record-store/lossless.ts";
import { textTests } from "./record-store/text.ts";
import { vectorTests } from "./record-store/vectors.ts";

export type { RecordStorePlace } from "./record-store/fixture.ts";

/** What the suite is to expect of a store beside its guarantees. */
export interface RecordStoreSuiteOptions {
  /**
   * Tests that are expected to fail, by their title, each with the reason. One that passes is red: take it out. For whole
   * guarantees use the store's `guarantees`.
   * @default none
   */
  readonly except?: Readonly<Record<string, string>> | undefined;
  /** Makes a store of a server that is not there, to see that it says so. @default not tested */
  readonly unreachable?: (() => RecordStore) | undefined;
  /** For each test. @default 60000 */
  readonly timeoutMs?: number | undefined;
}

/**
 * Holds a record store to the promises of `RecordStore` and to the guarantees it declares.
 *
 * `open` gives an empty place; the suite opens and closes its store. It is called once for most tests, and once more for
 * each of those that close the store.
 *
 * @example
 * recordStoreSuite("files", async () => ({ store: fileRecordStore({ directory: await temporaryDirectory() }) }));
 */
export function recordStoreSuite(name: string, open: () => Promise<RecordStorePlace>, options: RecordStoreSuiteOptions = {}): void {
  const { except = {}, unreachable, timeoutMs = 60_000 } = options;
  describe(`record store ${name}`, () => {
    const titles = new Set<string>();
    const others: RecordStore[] = [];
    let place: RecordStorePlace;

    beforeAll(async () => {
      place = await open();
      await place.store.open();
    }, 120_000);
    afterAll(async () => {
      for (const other of others) await other.close();
      await place?.store.close();
      await place?.cleanup?.();
    }, 120_000);

    async function reopen(): Promise<RecordStore> {
      if (place.reopen === undefined) throw new Error("the place has no `reopen`: whether the store is durable cannot be told");
      const other = await place.reopen();
      others.push(other);
      await other.open();
      return other;
    }

    function note(title: string): void {
      if (titles.has(title)) throw new Error(`two tests have the title "${title}"`);
      titles.add(title);
    }

    /** With an exception the test must fail. */
    function excepting(title: string, body: () => Promise<void>): Promise<void> {
      const reason = except[title];
      return reason === undefined ? body() : expectFailure(body, reason);
    }

    const tools: Tools = {
      store: () => place.store,
      pair: async () => (place.reopen === undefined ? [place.store] : [place.store, await reopen()]),
      reopen,
    };
    for (const [guarantee, declare] of Object.entries(groups) as [keyof RecordGuarantees, Declaration][]) {
      const level = () => place.store.guarantees[guarantee];
      guaranteed(guarantee, level, (check) =>
        declare((title, body) => {
          note(title);
          check(title, (eventually) => excepting(title, () => body(eventually)), timeoutMs);
        }, tools),
      );
    }

    describe("life", () => {
      const always = (title: string, body: () => Promise<void>) => {
        note(title);
        test(title, { timeout: timeoutMs }, () => excepting(title, body));
      };
      lifeTests(always, tools, open, unreachable);

      test("after the server was restarted the store works again", { timeout: 2 * timeoutMs }, async ({ skip }) => {
        if (place.restart === undefined) return skip("the place has no `restart`");
        await expectAfterRestart(place);
      });
    });

    test("exceptions name tests of this suite", () => {
      expect(Object.keys(except).filter((title) => !titles.has(title))).toEqual([]);
    });
  });
}

type Declaration = (check: Check, tools: Tools) => void;

const groups: Readonly<Record<keyof RecordGuarantees, Declaration>> = {
  atomic: atomicTests,
  consistent: consistentTests,
  lossless: losslessTests,
  isolated: isolatedTests,
  readYourWrites: listTests,
  deleted: deletedTests,
  text: textTests,
  vectors: vectorTests,
  durable: durableTests,
};

async function expectFailure(work: () => Promise<void>, reason: string): Promise<void> {
  const hasFailed = await work().then(
    () => false,
    () => true,
  );
  if (!hasFailed) throw new Error(`this test is excepted (${reason}), and it passes: take the exception out`);
}
