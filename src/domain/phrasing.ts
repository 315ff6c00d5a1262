import type { Role } from "./message.ts";

/**
 * The most characters of a message that are embedded. A vector of a longer text is about everything and nothing; the
 * rest is still found by its words.
 */
export const maxPhrasedLength = 2_000;

/**
 * A message as it is given to the embedder: `Caroline said, "…"`, or `User said, "…"` when the speaker has no name.
 *
 * Measured on LoCoMo, R@10 of vectors alone: 5.6 points better than `Caroline: …`, and 15 better than the bare text.
 * Text beyond {@link maxPhrasedLength} characters is cut off. An empty text stays empty: there is nothing to find.
 *
 * Queries are embedded as they are: see {@link phraseQuery}.
 */
export function phraseMessage(message: { readonly role: Role; readonly name?: string | undefined; readonly text: string }): string {
  const text = head(message.text.trim(), maxPhrasedLength);
  if (text === "") return "";
  const name = message.name?.trim();
  return `${name === undefined || name === "" ? capitalized(message.role) : head(name, 100)} said, "${text}"`;
}

/** A record as it is given to the embedder: what it is called, and what it says. */
export function phraseRecord({ name, content }: { readonly name: string | undefined; readonly content: string }): string {
  return head(`${name === undefined ? "" : `${name}: `}${content.trim()}`, maxPhrasedLength);
}

/** A query as it is given to the embedder: the plain text, cut at {@link maxPhrasedLength} characters. */
export function phraseQuery(query: string): string {
  return head(query.trim(), maxPhrasedLength);
}

/** The first `length` UTF-16 code units, never half of a surrogate pair. */
function head(text: string, length: number): string {
  if (text.length <= length) return text;
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? length - 1 : length);
}

function capitalized(role: string): string {
  return role.charAt(0).toUpperCase() + role.slice(1);
}
