import { InvalidArgumentError, MemoryError } from "../../domain/errors.ts";
import type { SourceItem } from "../../domain/import-source.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { MemoryCore } from "../memory-core.ts";
import type { Tally } from "./tally.ts";

/** An item with the row it came from. */
export interface NamedItem<Item extends SourceItem = SourceItem> {
  readonly name: string;
  readonly item: Item;
}

/** What the writers of items need. */
export interface ImportTarget {
  readonly core: MemoryCore;
  readonly scope: StoreScope;
  /** Whose it becomes where the source names nobody. */
  readonly userId: string;
  readonly dryRun: boolean;
  readonly tally: Tally;
  readonly signal: AbortSignal | undefined;
}

/** What `work` gives; undefined when the row itself is at fault, which is then told as the reason it was skipped. */
export function unlessInvalid<Value>({ tally }: ImportTarget, name: string, work: () => Value): Value | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof InvalidArgumentError) && !MemoryError.isInstance(error)) throw error;
    // One reason for all rows of a kind: not which element of its batch it was.
    tally.skip(
      error.message.replace(/^\[(?:messages\[\d+\]\.?)?([^\]]*)\] /, (_, field: string) => `its ${field} `),
      name,
    );
    return undefined;
  }
}
