import { InvalidArgumentError } from "commander";

/** A whole number within bounds, for an option. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < least || number > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return number;
  };
}

/** Text that is not empty, for an option. */
export function filled(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It must not be empty.");
  return text;
}

/** A cosine similarity, for an option. */
export function similarity(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !(number >= -1 && number <= 1)) throw new InvalidArgumentError("It must be a number from -1 to 1.");
  return number;
}
