import { ConflictError } from "../domain/errors.ts";
import type { NewRecord, RecordName, RecordOperation } from "../domain/record-store.ts";

/** The record an operation is about. */
export function targetOf(operation: RecordOperation): RecordName & { readonly tenant: string } {
  if ("put" in operation) return operation.put;
  return "delete" in operation ? operation.delete : operation.check;
}

/**
 * @param actual the version of the record as the operations before have left it; 0: it is not there
 * @throws ConflictError when it is not as the operation expects
 */
export function checkExpected(operation: RecordOperation, actual: number): void {
  const { ifVersion } = operation;
  const { id } = targetOf(operation);
  if ("check" in operation && actual === 0) throw goneSince(id);
  if (ifVersion === undefined || ifVersion === actual) return;
  throw new ConflictError(id, `[record] "${id}" is not of the version expected: read it again`, {
    expected: String(ifVersion),
    actual: String(actual),
  });
}

/** The version of a record that is put. */
export function versionAfter({ aboveVersion = 0 }: Extract<RecordOperation, { put: NewRecord }>, before: number): number {
  return Math.max(before, aboveVersion) + 1;
}

/** What was read has been deleted. */
export const goneSince = (id: string) => new ConflictError(id, `[record] "${id}" is not there any more: read it again`, { actual: "0" });

/** Whether a vector of the one is a vector of the other. */
export function hasSameText(one: Pick<NewRecord, "name" | "content">, other: Pick<NewRecord, "name" | "content"> | undefined): boolean {
  return other !== undefined && one.name === other.name && one.content === other.content;
}

/** Another record has the key. */
export function keyTaken(id: string): ConflictError {
  return new ConflictError(id, `[record] the key of "${id}" is taken: choose another, or change its holder`);
}
