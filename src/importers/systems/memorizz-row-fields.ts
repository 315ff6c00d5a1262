// How a row of Memorizz is kept as a record: by its facade (unforget/compat/memorizz), and by an import into its rows.

/** What is noted beside the caller's fields begins with this. */
export const mark = "$";

/** Whether the text of the record was made of other fields than `content`. */
export const derivedField = `${mark}derived`;

/** Where a field of `metadata` stands, to be compared with. */
export const metadataField = (field: string) => `${mark}metadata.${field}`;

/** Fields that have a place of their own. */
export const placedFields: readonly string[] = ["id", "_id", "name", "embedding", "created_at", "updated_at", "distance"];

/** Of fields without `content`, what is searched. */
const textFields = ["content", "text", "summary_content", "summary", "description", "instruction", "query", "response"];
const personaFields = ["role", "goals", "background"];

type Fields = Readonly<Record<string, unknown>>;

/** The text and the metadata of a row's record. */
export function rowFields(type: string, data: Fields): { readonly content: string; readonly metadata: Fields } {
  const { content, metadata } = data;
  const isText = typeof content === "string";
  const fields = Object.entries(data).filter(([field, value]) => !placedFields.includes(field) && value !== undefined);
  const compared = typeof metadata === "object" && metadata !== null ? Object.entries(metadata) : [];
  return {
    content: isText ? content : derivedText(type, data),
    metadata: {
      ...Object.fromEntries(fields.filter(([field]) => !isText || field !== "content")),
      ...Object.fromEntries(compared.flatMap(([field, value]) => (isScalar(value) ? [[metadataField(field), value]] : []))),
      ...(!isText && { [derivedField]: true }),
    },
  };
}

function derivedText(type: string, data: Fields): string {
  const texts = (type === "personas" ? personaFields : textFields).flatMap((field) => {
    const value = data[field];
    if (value === undefined || value === null || value === "") return [];
    return [typeof value === "string" ? value : JSON.stringify(value)];
  });
  return texts.join("\n").replaceAll("\0", "\ufffd");
}

export function isScalar(value: unknown): value is string | number | boolean | null {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}
