import { type VectorRow, writeRows } from "./rows.ts";
import { createTable, inspectTable, locked, type Queryable, renameToBackup, type VectorDatabase } from "./table.ts";

const rowsAtOnce = 500;

export interface AdoptedVectors {
  /** Quoted name the old table has now. */
  readonly backup: string;
  readonly adopted: number;
  /** Of another length than most, damaged, or not of finite numbers: they stay in the backup. */
  readonly skipped: number;
}

interface LegacyRow {
  readonly id: string;
  readonly bytes: string;
  readonly metadata: string | null;
  readonly content: string | null;
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
}

/**
 * Takes over a table of VoltAgent's own, whose vectors are bytes: it is renamed to `…_backup` and left as it is, and its
 * vectors are written into a new one, in one transaction. Undefined when another process was faster.
 */
export async function adoptLegacy(database: VectorDatabase): Promise<AdoptedVectors | undefined> {
  return locked(database, async (transaction) => {
    if ((await inspectTable(database, transaction)).kind !== "legacy") return undefined;
    const dimensions = await usualDimensions(database.table, transaction);
    const backup = await renameToBackup(database, transaction);
    if (dimensions === undefined) return { backup, adopted: 0, skipped: 0 };
    await createTable(database, transaction, dimensions);
    let adopted = 0;
    let skipped = 0;
    let after = "";
    for (;;) {
      const rows = await legacyRows(backup, transaction, after);
      const last = rows.at(-1);
      if (last === undefined) return { backup, adopted, skipped };
      after = last.id;
      const good = rows.flatMap((row) => decode(row, dimensions));
      if (good.length > 0) await writeRows(database, transaction, good);
      adopted += good.length;
      skipped += rows.length - good.length;
    }
  });
}

/** VoltAgent takes vectors of any length into one table; a search over two lengths fails there. */
async function usualDimensions(table: string, transaction: Queryable): Promise<number | undefined> {
  const { rows } = await transaction.query<{ dimensions: number }>({
    text: `SELECT octet_length(vector) / 4 AS dimensions FROM ${table} WHERE octet_length(vector) BETWEEN 4 AND 64000 GROUP BY 1 ORDER BY count(*) DESC, 1 DESC LIMIT 1`,
  });
  return rows[0]?.dimensions;
}

async function legacyRows(backup: string, transaction: Queryable, after: string): Promise<LegacyRow[]> {
  const { rows } = await transaction.query<LegacyRow>({
    text: `SELECT id::text AS id, encode(vector, 'base64') AS bytes, metadata::text AS metadata, content, created_at::timestamptz AS "createdAt", updated_at::timestamptz AS "updatedAt"
FROM ${backup} WHERE id::text COLLATE "C" > $1 ORDER BY id::text COLLATE "C" LIMIT ${rowsAtOnce}`,
    values: [after],
  });
  return rows;
}

/** Little-endian float32. */
function decode({ id, bytes, metadata, content, createdAt, updatedAt }: LegacyRow, dimensions: number): VectorRow[] {
  const buffer = Buffer.from(bytes, "base64");
  if (buffer.length !== 4 * dimensions) return [];
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  const vector = Float32Array.from({ length: dimensions }, (_, index) => view.getFloat32(4 * index, true));
  if (!vector.every(Number.isFinite)) return [];
  const times = { createdAt: createdAt ?? undefined, updatedAt: updatedAt ?? undefined };
  return [{ id, vector, metadataJson: metadata, content: content ?? undefined, ...times }];
}
