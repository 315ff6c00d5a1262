import type { Page } from "../../domain/conversation.ts";
import { ConflictError, InvalidArgumentError, NotFoundError } from "../../domain/errors.ts";
import type { MemoryRecord, RecordCallOptions, RecordOfBatch } from "../../domain/records.ts";
import { stableId } from "../../internal/stable-id.ts";
import { untilUnchanged } from "../until-unchanged.ts";
import { putOrUpdate, type RecordsHandle } from "./put-or-update.ts";

/** Something that is known of an entity, such as its city. */
export interface EntityAttribute {
  /** Compared without upper and lower case: an entity has one of each. */
  readonly name: string;
  readonly value: unknown;
  /** 0 to 1. A less certain value does not replace a more certain one. @default 1 */
  readonly confidence?: number | undefined;
  /** Where it comes from, e.g. a message id. */
  readonly source?: string | undefined;
}

/** How an entity relates to another one. */
export interface EntityRelation {
  /** E.g. `"works at"`. */
  readonly type: string;
  /** Id of the other entity. */
  readonly to: string;
  /** 0 to 1. @default 1 */
  readonly confidence?: number | undefined;
  readonly source?: string | undefined;
}

/** What is known of an entity; of one that is there already, what there is to add. */
export interface EntityInput {
  /** @default that of the entity of this name, without upper and lower case: there is one of each, but for those of ids of your own */
  readonly id?: string | undefined;
  readonly name: string;
  /** E.g. `"person"`. */
  readonly kind?: string | undefined;
  readonly attributes?: readonly EntityAttribute[] | undefined;
  readonly relations?: readonly EntityRelation[] | undefined;
}

/** Somebody or something that is spoken of. */
export interface Entity {
  readonly id: string;
  readonly name: string;
  readonly kind: string | undefined;
  readonly attributes: readonly Recorded<EntityAttribute>[];
  readonly relations: readonly Recorded<EntityRelation>[];
  readonly version: number;
  readonly updatedAt: Date;
}

/** What is known, how certain it is, and when that was recorded. */
export type Recorded<Item> = Item & { readonly confidence: number; readonly recordedAt: Date };

/** Whose entities, of which kind, how many, and how near to what is asked. */
export interface FindEntitiesOptions extends RecordCallOptions {
  readonly kind?: string | undefined;
  /** 1 to 1000. @default 5, of `list` 50 */
  readonly limit?: number | undefined;
  /** Cosine similarity, -1 to 1. @default none */
  readonly minSimilarity?: number | undefined;
}

/** What {@link entities} gives: who and what is spoken of, and what is known of each. */
export interface Entities {
  /** Makes an entity, or adds to what is known of it: attributes by their names, relations by their type and other end. */
  put(entity: EntityInput, options?: RecordCallOptions): Promise<Entity>;
  /** Undefined: it is not there. */
  get(id: string, options?: RecordCallOptions): Promise<Entity | undefined>;
  /** Without upper and lower case. */
  getByName(name: string, options?: RecordCallOptions): Promise<Entity | undefined>;
  /** Entities that say something about a query, best first: by words at once, by meaning when the worker has embedded them. */
  find(query: string, options?: FindEntitiesOptions): Promise<readonly Entity[]>;
  /** Newest first. */
  list(options?: Omit<FindEntitiesOptions, "minSimilarity"> & { readonly cursor?: string }): Promise<Page<Entity>>;
  /** Relates one to another; both must be there. @throws NotFoundError */
  link(fromId: string, relation: EntityRelation, options?: RecordCallOptions): Promise<Entity>;
  /**
   * Makes two entities one: `id` gets what is known of `other`, relations to `other` lead to `id`, and `other` is deleted.
   * Broken off in between, it can be done again.
   *
   * @throws NotFoundError also when somebody else has merged one of them away
   */
  merge(id: string, other: string, options?: RecordCallOptions): Promise<Entity>;
  /** Deletes an entity and the relations to it; whether it was there. */
  delete(id: string, options?: RecordCallOptions): Promise<boolean>;
}

const type = "entity_memory";
const pageSize = 1_000;
/** Marks an entity whose knowledge another one has taken. */
const mergedInto = "mergedInto";

/**
 * Entities, kept as records of the type `"entity_memory"`: what they are, what is known of them with its source, and how
 * they relate.
 *
 * @example
 * const known = entities(memory.scope({ userId: "user-123" }));
 * await known.put({ name: "Priya", kind: "person", attributes: [{ name: "city", value: "Pune", confidence: 0.8, source: "m1" }] });
 */
export function entities(memory: RecordsHandle): Entities {
  const { records } = memory;

  /** @param into what it may be on its way into */
  async function expect(id: string, options: RecordCallOptions | undefined, into?: string): Promise<MemoryRecord> {
    const found = await records.get(type, id, options);
    const target = found?.metadata[mergedInto];
    if (found === undefined || (target !== undefined && target !== into)) throw new NotFoundError("entity", id);
    return found;
  }

  /** What is known of the one becomes the other's in one write: of two who merge a pair in opposite ways, one is too late. */
  async function fold(id: string, other: string, options: RecordCallOptions): Promise<void> {
    await untilUnchanged(async () => {
      const kept = await expect(id, options);
      const gone = await expect(other, options, id);
      const entity = toEntity(kept);
      const { kind, attributes, relations } = toEntity(gone);
      const known = relations.filter(({ to }) => to !== id);
      const whole = combined(entity, { name: entity.name, kind: entity.kind ?? kind, attributes, relations: known });
      const nothing = { name: gone.name, content: "", metadata: { [mergedInto]: id } };
      await records.putMany([replaced(kept, stored(whole)), replaced(gone, nothing)], { ...options, userId: kept.userId });
    });
  }

  async function idFor(name: string, options: RecordCallOptions): Promise<string> {
    const known = await getByName(name, options);
    if (known !== undefined) return known.id;
    // An entity that had this name before keeps its id.
    for (let attempt = 0; ; attempt++) {
      const taken = await records.get(type, idOf(name, attempt), options);
      if (taken === undefined || keyOf(taken.name ?? "") === keyOf(name)) return idOf(name, attempt);
    }
  }

  async function put(input: EntityInput, options: RecordCallOptions = {}): Promise<Entity> {
    const checked = check(input);
    const id = input.id ?? (await idFor(input.name, options));
    const make = (before: MemoryRecord | undefined) => {
      if (before?.metadata[mergedInto] !== undefined)
        throw new ConflictError(id, `[entities] "${id}" is on its way into another: repeat the call, or the merge that was broken off`);
      return stored(combined(before && toEntity(before), checked));
    };
    return toEntity(await putOrUpdate(memory, type, id, make, options));
  }

  async function getByName(name: string, options: RecordCallOptions = {}): Promise<Entity | undefined> {
    const { items } = await records.list({ ...options, type, filter: { nameKey: keyOf(name) }, limit: 1 });
    return items[0] && toEntity(items[0]);
  }

  /** Changes the relations of every entity that has one to `id`. */
  async function redirect(id: string, to: string | undefined, options: RecordCallOptions): Promise<void> {
    for (let cursor: string | undefined; ; ) {
      const page = await records.list({ ...options, type, limit: pageSize, cursor });
      for (const record of page.items.filter((one) => toEntity(one).relations.some((relation) => relation.to === id))) {
        const change = (before: MemoryRecord) => {
          const entity = toEntity(before);
          const relations = entity.relations
            .map((relation) => (relation.to === id ? { ...relation, to } : relation))
            .filter((relation): relation is Recorded<EntityRelation> => relation.to !== undefined && relation.to !== entity.id);
          return stored({ ...entity, relations: unique(relations, relationKey) });
        };
        await records.update(type, record.id, change, { ...options, userId: record.userId });
      }
      if (page.nextCursor === undefined) return;
      cursor = page.nextCursor;
    }
  }

  return {
    put,
    async get(id, options) {
      const found = await records.get(type, id, options);
      return found && toEntity(found);
    },
    getByName,
    async find(query, { kind, limit = 5, ...options } = {}) {
      const hits = await records.query({ ...options, type, text: query, limit, filter: filterOf(kind) });
      return hits.map(({ record }) => toEntity(record));
    },
    async list({ kind, ...options } = {}) {
      const page = await records.list({ ...options, type, filter: filterOf(kind) });
      return { ...page, items: page.items.map(toEntity) };
    },
    async link(fromId, relation, options) {
      const { name } = toEntity(await expect(fromId, options));
      await expect(relation.to, options);
      return put({ id: fromId, name, relations: [relation] }, options);
    },
    async merge(id, other, options = {}) {
      if (id === other) throw new InvalidArgumentError("other", "is the same entity");
      await fold(id, other, options);
      // Relations first: until `other` is deleted, it can be done again.
      await redirect(other, id, options);
      await records.delete(type, other, options);
      return toEntity(await expect(id, options));
    },
    async delete(id, options = {}) {
      await redirect(id, undefined, options);
      return (await records.delete(type, id, options)) > 0;
    },
  };
}

const keyOf = (name: string) => name.normalize("NFKC").trim().toLowerCase();
/** Two that name an entity at once make one. */
const idOf = (name: string, attempt: number) => stableId("entity", keyOf(name), ...(attempt === 0 ? [] : [String(attempt)]));
const filterOf = (kind: string | undefined) => (kind === undefined ? undefined : { kind });
const attributeKey = ({ name }: EntityAttribute) => keyOf(name);
const relationKey = ({ type: kind, to }: EntityRelation) => JSON.stringify([keyOf(kind), to]);

/** A record with another content, if it is still the one that was read. */
function replaced({ id, conversationId, expiresAt, version }: MemoryRecord, content: Pick<RecordOfBatch, "name" | "content" | "metadata">) {
  return { id, type, conversationId, expiresAt, ifVersion: version, ...content };
}

type Known = Pick<Entity, "name" | "kind" | "attributes" | "relations">;

function check({ name, kind, attributes = [], relations = [] }: EntityInput): Known {
  if (typeof name !== "string" || keyOf(name) === "") throw new InvalidArgumentError("name", "must be a string that is not empty");
  const recordedAt = new Date();
  for (const { confidence } of [...attributes, ...relations])
    if (confidence !== undefined && !(confidence >= 0 && confidence <= 1))
      throw new InvalidArgumentError("confidence", "must be from 0 to 1");
  for (const attribute of attributes)
    if (typeof attribute.name !== "string" || attribute.name === "") throw new InvalidArgumentError("attributes", "each have a name");
  for (const relation of relations)
    if (typeof relation.type !== "string" || typeof relation.to !== "string" || relation.to === "")
      throw new InvalidArgumentError("relations", "each have a type and the id of the other end");
  return {
    name,
    kind,
    attributes: attributes.map((attribute) => ({ ...attribute, confidence: attribute.confidence ?? 1, recordedAt })),
    relations: relations.map((relation) => ({ ...relation, confidence: relation.confidence ?? 1, recordedAt })),
  };
}

/** What is as certain as what was known takes its place. */
function combined(before: Known | undefined, { name, kind, attributes, relations }: Known): Known {
  return {
    name,
    kind: kind ?? before?.kind,
    attributes: unique([...(before?.attributes ?? []), ...attributes], attributeKey),
    relations: unique([...(before?.relations ?? []), ...relations], relationKey),
  };
}

function unique<Item extends { readonly confidence: number }>(items: readonly Item[], nameOf: (item: Item) => string): Item[] {
  const kept = new Map<string, Item>();
  for (const item of items) {
    const before = kept.get(nameOf(item));
    if (before === undefined || item.confidence >= before.confidence) kept.set(nameOf(item), item);
  }
  return [...kept.values()];
}

function stored({ name, kind, attributes, relations }: Known) {
  const facts = attributes.map((attribute) => `${attribute.name}: ${textOf(attribute.value)}`);
  return {
    name,
    content: [kind ?? "", ...facts].filter((text) => text !== "").join("\n"),
    metadata: { nameKey: keyOf(name), ...(kind !== undefined && { kind }), attributes, relations },
  };
}

const textOf = (value: unknown) => (typeof value === "string" ? value : (JSON.stringify(value) ?? "")).replaceAll("\0", "\ufffd");

function toEntity({ id, name = "", metadata, version, updatedAt }: MemoryRecord): Entity {
  const { kind, attributes, relations } = metadata as Partial<Known>;
  // Another program may have stored less of it.
  const whole = <Item extends { readonly recordedAt: Date; readonly confidence: number }>(items: readonly Item[] | undefined) =>
    (Array.isArray(items) ? (items as readonly Item[]) : []).map((item) => ({
      ...item,
      confidence: item.confidence ?? 1,
      recordedAt: new Date(item.recordedAt ?? updatedAt),
    }));
  return { id, name, kind, attributes: whole(attributes), relations: whole(relations), version, updatedAt };
}
