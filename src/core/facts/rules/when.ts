const months = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
const monthWord = `(?:${months.map((month) => `${month.slice(0, 3)}(?:${month.slice(3)})?`).join("|")})`;
const numbers: Readonly<Record<string, number>> = {
  ...{
    a: 1,
    an: 1,
    one: 1,
    two: 2,
    three: 3,
    four: 4,
    five: 5,
    six: 6,
    seven: 7,
    eight: 8,
    nine: 9,
    ten: 10,
    "a few": 3,
    "a couple of": 2,
  },
};
const dayMs = 86_400_000;

/** Since when and until when something is said to be so, in epoch milliseconds. */
export interface When {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** `May 3rd, 1990`, `3 May`, `1990-05-03` as `3 May 1990`; undefined: no day of the year. */
export function dayOfYear(text: string): string | undefined {
  const iso = /^(\d{4})-(\d{2})-(\d{2})$/u.exec(text.trim());
  if (iso !== null) return dayText(Number(iso[3]), Number(iso[2]) - 1, iso[1]);
  const dayFirst = new RegExp(`^(?:the )?(\\d{1,2})(?:st|nd|rd|th)?(?: of)? (${monthWord})\\.?,?(?: (?:of )?(\\d{4}))?$`, "iu").exec(
    text.trim(),
  );
  if (dayFirst !== null) return dayText(Number(dayFirst[1]), monthOf(dayFirst[2]), dayFirst[3]);
  const monthFirst = new RegExp(`^(${monthWord})\\.? (?:the )?(\\d{1,2})(?:st|nd|rd|th)?,?(?: (\\d{4}))?$`, "iu").exec(text.trim());
  return monthFirst === null ? undefined : dayText(Number(monthFirst[2]), monthOf(monthFirst[1]), monthFirst[3]);
}

function dayText(day: number, month: number, year: string | undefined): string | undefined {
  const name = months[month];
  if (name === undefined || day < 1 || day > 31) return undefined;
  return `${day} ${name[0]?.toUpperCase()}${name.slice(1)}${year === undefined ? "" : ` ${year}`}`;
}

const monthOf = (word = "") => months.findIndex((month) => month.startsWith(word.toLowerCase().slice(0, 3)));

const point = `(?:(?:the )?\\d{1,2}(?:st|nd|rd|th)? (?:of )?${monthWord},? \\d{4}|${monthWord} \\d{1,2}(?:st|nd|rd|th)?,? \\d{4}|(?:early |late |mid-?)?${monthWord},? (?:of )?\\d{4}|\\d{4}-\\d{2}-\\d{2}|\\d{4}|${monthWord}(?! \\d))`;
const tail = new RegExp(
  `\\s+(?:(?<range>(?:from|between) (${point}) (?:to|until|till|and|through) (${point}))|(?:since|as of|starting|starting in|from) (?<since>${point}|last (?:week|month|year))|(?:until|till) (?<until>${point})|(?:back )?(?:in|on) (?<in>${point})|(?<ago>(?:a|an|one|two|three|four|five|six|seven|eight|nine|ten|a few|a couple of|\\d{1,2}) (?:days?|weeks?|months?|years?) ago)|for (?:the (?:past|last) )?(?<during>(?:a|an|one|two|three|four|five|six|seven|eight|nine|ten|\\d{1,2}) (?:weeks?|months?|years?))(?: now)?|(?<last>yesterday|last (?:week|month|year|night)|today|this (?:week|month|morning)))[\\s,.]*$`,
  "iu",
);

/** Takes the time off the end of what was said: `Quito in March 2023`. */
export function splitWhen(text: string, said: Date): { readonly rest: string; readonly when: When } {
  const found = tail.exec(text);
  if (found?.groups === undefined) return { rest: text, when: {} };
  const rest = text.slice(0, found.index).trim();
  const { range, since, until, in: within, ago, during, last } = found.groups;
  if (range !== undefined) return { rest, when: { from: pointOf(found[2], said), to: pointOf(found[3], said) } };
  if (until !== undefined) return { rest, when: { to: pointOf(until, said) } };
  const before = ago ?? during;
  const from = before === undefined ? pointOf(since ?? within ?? last, said) : back(before, said);
  return { rest, when: { from } };
}

function pointOf(text = "", said: Date): number | undefined {
  const word = text.toLowerCase().trim();
  if (word === "yesterday" || word === "last night") return said.getTime() - dayMs;
  if (word.startsWith("today") || word.startsWith("this")) return said.getTime();
  if (word.startsWith("last ")) return back(`a ${word.slice(5)}`, said);
  const year = /\d{4}/u.exec(word)?.[0];
  const monthName = new RegExp(monthWord, "iu").exec(word)?.[0];
  if (monthName === undefined) return year === undefined ? undefined : Date.UTC(Number(year), 0, 1);
  const month = monthOf(monthName);
  const day = Number(/\b(\d{1,2})(?:st|nd|rd|th)?\b/u.exec(word)?.[1] ?? 1);
  if (year !== undefined) return Date.UTC(Number(year), month, day);
  // A month without its year is the last one of the name.
  const thisYear = Date.UTC(said.getUTCFullYear(), month, 1);
  return thisYear <= said.getTime() ? thisYear : Date.UTC(said.getUTCFullYear() - 1, month, 1);
}

function back(text: string, said: Date): number | undefined {
  const found = /^(.+?) (day|week|month|year)s?\b/iu.exec(text);
  const count = numbers[found?.[1]?.toLowerCase() ?? ""] ?? Number(found?.[1]);
  if (!Number.isFinite(count)) return undefined;
  const date = new Date(said);
  const unit = found?.[2]?.toLowerCase();
  if (unit === "day" || unit === "week") date.setUTCDate(date.getUTCDate() - count * (unit === "week" ? 7 : 1));
  else if (unit === "month") date.setUTCMonth(date.getUTCMonth() - count);
  else date.setUTCFullYear(date.getUTCFullYear() - count);
  return date.getTime();
}
