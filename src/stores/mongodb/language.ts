/** The languages MongoDB stems and knows stop words of. */
const known: ReadonlySet<string> = new Set([
  "danish",
  "dutch",
  "english",
  "finnish",
  "french",
  "german",
  "hungarian",
  "italian",
  "norwegian",
  "portuguese",
  "romanian",
  "russian",
  "spanish",
  "swedish",
  "turkish",
]);

/** A language as the word index takes it; one it does not know would be refused with the whole document. */
export function indexLanguage(language: string): string {
  return known.has(language) ? language : "none";
}
