import { notesPlace, writeNotes } from "../../../core/working-memory/notes.ts";
import type { ImportContext } from "./conversations.ts";
import { nextRows, type OldRow, objectOf } from "./old-rows.ts";
import { putMissing } from "./records.ts";

const tables = ["conversations", "users"] as const;

/**
 * Stores the next notes, which stand in the metadata of conversations and of users since 2.x. Answers where it stands;
 * undefined: at the end.
 */
export async function importWorkingMemory(context: ImportContext, language: string): Promise<readonly (string | number)[] | undefined> {
  const [place = 0, after] = context.state.position;
  const table = context.state.version === "2.x" ? tables[Number(place)] : undefined;
  if (table === undefined) return undefined;
  const { rows, last } = await nextRows(context, table, "id", after === undefined ? undefined : String(after));
  if (last === undefined) return [Number(place) + 1];
  const noted = rows.filter((row) => typeof objectOf(row.metadata).workingMemory === "string");
  const places = table === "users" ? noted.map((row) => userPlace(context, row)) : await conversationPlaces(context, noted);
  const records = noted.flatMap((row, index) => {
    const of = places[index];
    const operations = of === undefined ? [] : writeNotes(of, undefined, String(objectOf(row.metadata).workingMemory), undefined);
    return operations.flatMap((operation) => ("put" in operation ? [operation.put] : []));
  });
  await putMissing(context, language, records);
  return [place, last];
}

function userPlace({ tenant }: ImportContext, row: OldRow) {
  return notesPlace({ tenant, userId: String(row.id), resourceId: "default" }, undefined);
}

/** Under the owner and resource the conversation has now; undefined: it is gone. */
async function conversationPlaces({ transaction, names, tenant }: ImportContext, rows: readonly OldRow[]) {
  const ids = rows.map((row) => String(row.id));
  const { rows: found } = await transaction.query<{ id: string; userId: string; resourceId: string }>({
    text: `SELECT c.id, c.user_id AS "userId", c.resource_id AS "resourceId" FROM unnest($2::text[]) k(id)
      JOIN ${names.table.conversation_owners} o ON o.tenant = $1 AND o.conversation_id = k.id
      JOIN ${names.table.conversations} c ON c.tenant = $1 AND c.user_id = o.user_id AND c.id = k.id`,
    values: [tenant, ids],
  });
  const owners = new Map(found.map((row) => [row.id, row]));
  return ids.map((id) => {
    const owner = owners.get(id);
    return owner === undefined ? undefined : notesPlace({ tenant, userId: owner.userId, resourceId: owner.resourceId }, id);
  });
}
