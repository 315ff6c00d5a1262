import type { RecordStore } from "../domain/record-store.ts";
import { once } from "../internal/once.ts";

/** Where the records of a memory are. */
export interface CoreRecords {
  readonly store: RecordStore;
  /** The session store keeps them: it deletes them with what they belong to, and closes them. */
  readonly isShared: boolean;
  /** Connects and prepares, on first use. */
  open(): Promise<RecordStore>;
  /** The same for who wants to delete: undefined when there is nothing, and nothing is made. */
  openToDelete(): Promise<RecordStore | undefined>;
  close(): Promise<void>;
}

export interface CoreRecordsOptions {
  readonly store: RecordStore;
  readonly isShared: boolean;
  /** Whether there is anything where nobody has opened it yet. */
  readonly exists: () => boolean;
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
    open,
    openToDelete: async () => (wasOpened || exists() ? open() : undefined),
    close: async () => {
      if (!isShared) await store.close();
    },
  };
}
