/** A document as the driver takes and gives it. */
export type MongoDocument = Record<string, unknown>;

/** What this library needs of a `MongoClient`. */
export interface MongoClientLike {
  connect(): Promise<unknown>;
  close(): Promise<void>;
  db(name: string, options?: object): MongoDatabaseLike;
  startSession(): MongoSessionLike;
}

export interface MongoDatabaseLike {
  command(command: object): Promise<MongoDocument>;
  collection(name: string, options?: object): MongoCollectionLike;
}

export interface MongoSessionLike {
  withTransaction(work: () => Promise<unknown>, options?: object): Promise<unknown>;
  endSession(): Promise<void>;
}

export interface MongoCursorLike {
  toArray(): Promise<MongoDocument[]>;
}

export interface MongoCollectionLike {
  aggregate(pipeline: object[], options?: object): MongoCursorLike;
  find(filter: object, options?: object): MongoCursorLike;
  countDocuments(filter: object, options?: object): Promise<number>;
  insertMany(documents: readonly object[], options?: object): Promise<unknown>;
  bulkWrite(operations: readonly object[], options?: object): Promise<{ readonly matchedCount: number }>;
  updateOne(filter: object, update: object, options?: object): Promise<{ readonly matchedCount: number }>;
  updateMany(filter: object, update: object | object[], options?: object): Promise<{ readonly matchedCount: number }>;
  deleteOne(filter: object, options?: object): Promise<{ readonly deletedCount: number }>;
  deleteMany(filter: object, options?: object): Promise<{ readonly deletedCount: number }>;
  createIndex(keys: Record<string, 1 | "text">, options?: object): Promise<unknown>;
}
