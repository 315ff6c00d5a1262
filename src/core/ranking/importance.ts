/** What counts towards or against remembering a text, and how much. English, but for numbers and lengths. */
const signals: readonly (readonly [sign: RegExp, weight: number])[] = [
  [/\b(?:remember|don't forget|important|always|never|must|deadline|allerg\w+|password|birthday)\b/i, 0.3],
  [/\b(?:i am|i'm|my|i live|i work|i (?:like|love|hate|prefer|want|need)|we (?:are|decided|agreed|will))\b/i, 0.25],
  [/\p{N}/u, 0.1],
  [/\S\s+\p{Lu}\p{L}+/u, 0.1],
  [/\?\s*$/, -0.1],
];
const ordinary = 0.3;
/** A text of so few words is mostly "thanks" or "ok". */
const fewWords = 3;

/** How much a text seems to matter, 0 to 1, by simple signs alone: for those whose writer did not say. */
export function signalledImportance(text: string): number {
  const words = text.match(/[\p{L}\p{N}]+/gu)?.length ?? 0;
  const sum = signals.reduce((total, [sign, weight]) => total + (sign.test(text) ? weight : 0), words <= fewWords ? 0 : ordinary);
  return Math.round(100 * Math.min(1, Math.max(0, sum))) / 100;
}
