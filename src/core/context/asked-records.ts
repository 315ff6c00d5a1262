import type { ContextRecordOptions } from "../../domain/context.ts";
import { InvalidArgumentError } from "../../domain/errors.ts";
import type { MemoryRecord, QueryRecordsOptions } from "../../domain/records.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { MemoryCore } from "../memory-core.ts";
import { parseType } from "../records/own-types.ts";
import { records } from "../records.ts";
import { parseCount, parseFilter, parseSimilarity } from "../validate.ts";

const standardLimit = 10;

/** Which records a context takes, checked. */
export type AskedRecords = Pick<QueryRecordsOptions, "type" | "limit" | "minSimilarity" | "filter">;

/** @throws InvalidArgumentError for options that cannot be right */
export function checkRecords({ types, limit, minSimilarity, filter }: ContextRecordOptions): AskedRecords {
  if (!Array.isArray(types) || types.length === 0)
    throw new InvalidArgumentError("records.types", 'must be a list of at least one type, such as "long_term_memory"');
  return {
    type: types.map(parseType),
    limit: parseCount("records.limit", limit, standardLimit, 1, 1_000),
    minSimilarity: parseSimilarity("records.minSimilarity", minSimilarity),
    filter: parseFilter("records.filter", filter),
  };
}

/** Records that the query finds, best first. Where nothing was ever written, nothing is made to read it. */
export async function findRecords(core: MemoryCore, scope: StoreScope, query: QueryRecordsOptions): Promise<readonly MemoryRecord[]> {
  if ((await core.records.openToDelete()) === undefined) return [];
  return (await records(core, scope).query(query)).map(({ record }) => record);
}
