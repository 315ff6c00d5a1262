import type { RecordStore } from "../domain/record-store.ts";
import { once } from "../internal/once.ts";

/** Where the records of a memory are. */
export interface CoreRecords {
  readonly store: RecordStore;
  /** The session store keeps them: it deletes them with what they belong to, and closes them. */
  readonly isShared: boolean;
  /** Whether they are there only from their first use on. */
  readonly isLazy: boolean;
  /** Connects and prepares, on first use. */
  open(): Promise<RecordStore>;
  /** The same for who wants to delete: undefined when there is nothing, and nothing is made. */
  openToDelete(): Promise<RecordStore | undefined>;
  close(): Promise<void>;
}

export interface CoreRecordsOptions {
  readonly store: RecordStore;
  readonly isShared: boolean;
  /** Whether there is anything, of a place that is made by its first use. @default there is */
  readonly exists?: (() => boolean) | undefined;
}

export function coreRecords({ store, isShared, exists }: CoreRecordsOptions): CoreRecords {
  let wasOpened = false;
  const open = once(async () => {
    await store.open();
    wasOpened = true;
    return store;
  });
  return {
    store,
    isShared,
    isLazy: exists !== undefined,
    open,
    openToDelete: async () => (wasOpened || exists === undefined || exists() ? open() : undefined),
    close: async () => {
      if (!isShared) await store.close();
    },
  };
}
