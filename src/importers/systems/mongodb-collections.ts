import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ImportFromSource } from "../../domain/import-source.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { once } from "../../internal/once.ts";
import { placeOf, type Row, required, unreachable } from "./row-values.ts";

const documentsAtOnce = 200;

/** Collections of a MongoDB database, which are only asked for documents. */
export interface MongodbCollections {
  readonly place: string;
  names(): Promise<ReadonlySet<string>>;
  count(collection: string): Promise<number>;
  /** Fields of the first document, to tell whose collection it is. */
  fields(collection: string): Promise<ReadonlySet<string>>;
  all(collection: string, order: Readonly<Record<string, 1>>): AsyncIterable<Row>;
  lookup(collection: string, field: string, values: readonly unknown[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export function mongodbCollections(source: ImportFromSource, standardDatabase: string): MongodbCollections {
  if (source.client !== undefined) throw new InvalidArgumentError("client", "is of Postgres: give the URL of MongoDB as from");
  const url = required(source.from);
  const inUrl = decodeURIComponent(URL.parse(url)?.pathname.slice(1) ?? "");
  const database = source.database ?? (inUrl === "" || inUrl === "admin" ? standardDatabase : inUrl);
  let close = async () => {};

  const open = once(async () => {
    const { MongoClient } = await loadDependency("import", "mongodb", () => import("mongodb"));
    try {
      const client = new MongoClient(url, { serverSelectionTimeoutMS: 10_000, appName: "unforget" });
      close = () => client.close();
      await client.connect();
      return client.db(database);
    } catch (cause) {
      throw unreachable(url, cause);
    }
  });

  return {
    place: `${placeOf(url).replace(/\/[^/]*$/, "")}/${database}`,
    names: async () => new Set((await (await open()).listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name)),
    count: async (collection) => (await open()).collection(collection).countDocuments({}),
    fields: async (collection) => new Set(Object.keys((await (await open()).collection(collection).findOne({})) ?? {})),
    async *all(collection, order) {
      const cursor = (await open()).collection(collection).find({}, { batchSize: documentsAtOnce }).sort(order).allowDiskUse(true);
      try {
        for await (const document of cursor) yield document;
      } finally {
        await cursor.close();
      }
    },
    lookup: async (collection, field, values) =>
      (await open())
        .collection(collection)
        .find({ [field]: { $in: [...values] } })
        .toArray(),
    close: async () => {
      await close();
      close = async () => {};
    },
  };
}

/** Documents in parts of a few hundred. */
export async function* inPages(documents: AsyncIterable<Row>): AsyncGenerator<readonly Row[]> {
  let page: Row[] = [];
  for await (const document of documents) {
    page.push(document);
    if (page.length < documentsAtOnce) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
