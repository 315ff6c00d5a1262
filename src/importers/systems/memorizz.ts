import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ImportFromSource, ImportSource, SourceTable } from "../../domain/import-source.ts";
import { asObject, asObjects } from "../json-value.ts";
import { readText } from "../text-file.ts";
import { holdsOf, isCache, type MemorizzTarget, memorizzModel, memorizzTypes, toItem } from "./memorizz-rows.ts";
import { mongodbCollections } from "./mongodb-collections.ts";
import { postgresTables } from "./postgres-tables.ts";
import { required, textOf } from "./row-values.ts";
import { countTables, hasColumns, type ReadRow, readTables, type TableReader } from "./tables.ts";

const skippedCache = "answers of a cache are not memories";

/** Memorizz' data in Postgres (0.0.21), in MongoDB, or in an archive that it exported. */
export function memorizzSource(source: ImportFromSource): ImportSource {
  if (source.client !== undefined) return memorizzTables(source);
  const from = required(source.from);
  if (/^postgres(ql)?:/i.test(from)) return memorizzTables(source);
  if (/^mongodb(\+srv)?:/i.test(from)) return memorizzMongodb(source);
  if (/^[a-z][a-z0-9+]+:\/\//i.test(from))
    throw new InvalidArgumentError(
      "from",
      "is no place of Memorizz that can be read: give a postgres:// or mongodb:// URL, or an archive it exported",
    );
  return memorizzArchive(source, from);
}

const targetOf = ({ embeddingModel: model = memorizzModel, conversations }: ImportFromSource): MemorizzTarget => ({
  model,
  asRows: conversations === "rows",
});

/** An import into rows is another one, and does not go on where one into messages was stopped. */
const identityOf = ({ asRows }: MemorizzTarget, ...place: readonly string[]) =>
  JSON.stringify(["memorizz", ...place, ...(asRows ? ["rows"] : [])]);

function toRow(table: string, type: string, id: string, row: Readonly<Record<string, unknown>>, target: MemorizzTarget): ReadRow {
  const name = `${table} ${id}`;
  return isCache(type) ? { name, items: [], skipped: skippedCache } : { name, items: [toItem(type, id, row, target)] };
}

function memorizzTables(source: ImportFromSource): ImportSource {
  const { tablePrefix: prefix = "" } = source;
  const target = targetOf(source);
  const database = postgresTables(source);
  const readers = async (): Promise<TableReader[]> => {
    const tables = await database.tables();
    const found = Object.keys(memorizzTypes).filter((type) =>
      hasColumns(tables.get(prefix + type), "id", "name", "embedding", "created_at"),
    );
    if (found.length === 0)
      throw new InvalidArgumentError(
        "from",
        `${database.place} has no tables of Memorizz: name the schema and table prefix they are under`,
      );
    return found.map((type) => {
      const table = prefix + type;
      const isTalk = type === "conversation_memory";
      return {
        table,
        holds: holdsOf(type, target),
        keys: isTalk ? ["conversation_id", "timestamp", "id"] : ["id"],
        toRows: (rows) => rows.map((row) => toRow(table, type, String(row.id), row, target)),
      };
    });
  };
  return {
    identity: source.client !== undefined ? undefined : identityOf(target, database.place, prefix),
    detect: async () => ({
      system: "memorizz",
      version: "0.0.21 (PostgreSQL)",
      place: database.place,
      tables: await countTables(database, await readers()),
    }),
    async *read(after, signal) {
      yield* readTables(database, await readers(), after, signal);
    },
    close: () => database.close(),
  };
}

function memorizzMongodb(source: ImportFromSource): ImportSource {
  const { tablePrefix: prefix = "" } = source;
  const target = targetOf(source);
  const database = mongodbCollections(source, "memorizz");
  const types = async () => {
    const names = await database.names();
    return Object.keys(memorizzTypes).filter((type) => names.has(prefix + type));
  };
  return {
    identity: identityOf(target, database.place, prefix),
    async detect() {
      const tables: SourceTable[] = [];
      for (const type of await types()) {
        tables.push({ name: prefix + type, holds: holdsOf(type, target), rows: await database.count(prefix + type) });
      }
      if (tables.length === 0)
        throw new InvalidArgumentError("from", `${database.place} has no collections of Memorizz: name the database they are in`);
      return { system: "memorizz", version: "collections in MongoDB", place: database.place, tables };
    },
    async *read(_after, signal) {
      for (const type of await types()) {
        const order = type === "conversation_memory" ? { timestamp: 1, _id: 1 } : { _id: 1 };
        for await (const document of database.all(prefix + type, order as Record<string, 1>)) {
          signal?.throwIfAborted();
          yield toRow(prefix + type, type, String(document._id), document, target);
        }
      }
    },
    close: () => database.close(),
  };
}

/** Memorizz itself reads archives of at most 50 MB, so one is read whole. */
function memorizzArchive(source: ImportFromSource, file: string): ImportSource {
  const target = targetOf(source);
  const fail = (reason: string) => new InvalidArgumentError("from", `${JSON.stringify(file)} ${reason}`);
  const stores = async () => {
    let text = "";
    for await (const piece of readText(file)) text += piece;
    let archive: ReturnType<typeof asObject>;
    try {
      archive = asObject(JSON.parse(text));
    } catch {
      throw fail("is not valid JSON: export the archive again");
    }
    if (archive?.format !== "memorizz.memory") throw fail('is no archive of Memorizz: its "format" must be "memorizz.memory"');
    if (archive.version !== 1) throw fail(`is an archive of version ${String(archive.version)}: only version 1 can be read`);
    const found = Object.entries(asObject(archive.stores) ?? {}).map(([type, records]) => ({ type, records: asObjects(records) }));
    const count = found.reduce((sum, { records }) => sum + records.length, 0);
    const told = asObject(archive.manifest)?.record_count;
    if (typeof told === "number" && told !== count)
      throw fail(`holds ${count} records and says ${told}: it was cut or changed, export it again`);
    return { found, version: textOf(asObject(archive.manifest)?.memorizz_version) };
  };
  return {
    identity: identityOf(target, file),
    async detect() {
      const { found, version } = await stores();
      const tables = found
        .filter(({ records }) => records.length > 0)
        .map(({ type, records }) => ({ name: type, holds: holdsOf(type, target), rows: records.length }));
      return { system: "memorizz", version: `archive${version === undefined ? "" : ` of ${version}`}`, place: file, tables };
    },
    async *read(_after, signal) {
      for (const { type, records } of (await stores()).found) {
        const rows = records.map((record) => ({ id: textOf(record.id) ?? "", data: asObject(record.data) ?? {} }));
        if (type === "conversation_memory") rows.sort((one, other) => timeText(one.data).localeCompare(timeText(other.data)));
        signal?.throwIfAborted();
        for (const { id, data } of rows) yield toRow(type, type, id, data, target);
      }
    },
    close: async () => {},
  };
}

const timeText = (row: Readonly<Record<string, unknown>>) => textOf(row.timestamp) ?? textOf(row.created_at) ?? "";
