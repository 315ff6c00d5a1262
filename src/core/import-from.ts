import type { ImportFromOptions, ImportFromReport, ImportSource, SourceItem, SourceRow } from "../domain/import-source.ts";
import type { StoreScope } from "../domain/scope.ts";
import { positionStore } from "./import-from/position.ts";
import { emptyTally } from "./import-from/tally.ts";
import type { ImportTarget, NamedItem } from "./import-from/target.ts";
import { writeConversations, writeMessages } from "./import-from/write-conversations.ts";
import { writeRecords } from "./import-from/write-records.ts";
import type { MemoryCore } from "./memory-core.ts";
import { validateId } from "./messages/normalize-message.ts";

/** Rows that are written before reading goes on. */
const rowsAtOnce = 500;

/** Reads a source from where an import of it was stopped, else from the start, and writes what it holds. */
export async function importFrom(
  core: MemoryCore,
  scope: StoreScope,
  source: ImportSource,
  options: ImportFromOptions,
): Promise<ImportFromReport> {
  const { userId = "default", dryRun = false, signal } = options;
  validateId("userId", userId);
  try {
    const layout = await source.detect(signal);
    await options.onLayout?.(layout);
    const target: ImportTarget = { core, scope, userId, dryRun, tally: emptyTally(), signal };
    if (!dryRun) await core.open();
    const position = await positionStore(target, source.identity);
    let rows: SourceRow[] = [];
    const flush = async () => {
      signal?.throwIfAborted();
      await writeRows(target, rows);
      target.tally.read += rows.length;
      const last = rows.at(-1)?.position;
      rows = [];
      if (last !== undefined) await position.save(last);
      options.onProgress?.({ read: target.tally.read });
    };
    for await (const row of source.read(position.start, signal)) {
      rows.push(row);
      if (rows.length >= rowsAtOnce) await flush();
    }
    if (rows.length > 0) await flush();
    await position.clear();
    core.worker.wake();
    return target.tally.report(layout, { dryRun, resumed: position.start !== undefined });
  } finally {
    await source.close();
  }
}

async function writeRows(target: ImportTarget, rows: readonly SourceRow[]): Promise<void> {
  const items: NamedItem[] = [];
  for (const { name, items: own, skipped } of rows) {
    if (skipped !== undefined) target.tally.skip(skipped, name);
    for (const item of own) items.push({ name, item });
  }
  await writeMessages(target, ofKind(items, "message"));
  await writeConversations(target, ofKind(items, "conversation"));
  await writeRecords(
    target,
    items.filter(({ item }) => item.kind !== "message" && item.kind !== "conversation"),
  );
}

function ofKind<Kind extends SourceItem["kind"]>(
  items: readonly NamedItem[],
  kind: Kind,
): NamedItem<Extract<SourceItem, { readonly kind: Kind }>>[] {
  return items.filter((named): named is NamedItem<Extract<SourceItem, { readonly kind: Kind }>> => named.item.kind === kind);
}
