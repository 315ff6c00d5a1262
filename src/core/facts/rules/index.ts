import { type Clause, clausesOf } from "./clauses.ts";
import { firstNamed, likedThings, occupation, personName, properName } from "./objects.ts";
import { dayOfYear, splitWhen, type When } from "./when.ts";

/** What the rules made of a text. Times are epoch milliseconds. */
export interface FoundFact {
  readonly subject: string;
  readonly predicate: string;
  readonly object: string;
  /** `"past"`: it was so once; `"end"`: it is no longer so. */
  readonly tense: "now" | "past" | "end";
  /** Undefined: from when it was said; null: for as long as anybody knows. */
  readonly from?: number | null | undefined;
  readonly to?: number | undefined;
  /** Where the words themselves say that there is one: `my editor is …`. */
  readonly single?: boolean | undefined;
}

/**
 * The obvious facts of a message a person wrote, in English, without a model: who somebody is, where one lives and works,
 * what one likes, "my … is …". Rather none than a wrong one.
 */
export function factsInText(text: string, said: Date): FoundFact[] {
  return clausesOf(text.slice(0, mostCharacters)).flatMap((clause) => rules.flatMap((rule) => rule(clause, said)));
}

/** A longer text is not somebody talking of himself. */
const mostCharacters = 8_000;

type Rule = (clause: Clause, said: Date) => FoundFact[];

const rules: readonly Rule[] = [introductions, whereabouts, work, origins, tastes, traits, possessions];

const adverbs =
  /^(?:(?:currently|now|still|really|actually|also|absolutely|just|recently|presently|always|have now|finally|both|officially|originally|absolutely)\s+)+/iu;
const withoutAdverbs = (said: string) =>
  said
    .replace(
      /^(am|is|are|have|has)\s+(?:(?:currently|now|still|really|actually|also|just|recently|always|finally|back|originally|about to be)\s+)+/iu,
      "$1 ",
    )
    .replace(adverbs, "");

/** "used to live", "no longer live", "do not live … anymore", "never liked". */
function tenseOf(said: string): { readonly verb: string; readonly tense: FoundFact["tense"]; readonly isDenied: boolean } {
  const bare = withoutAdverbs(said);
  const past = /^used to (.+)$/iu.exec(bare);
  if (past !== null) return { verb: past[1] as string, tense: "past", isDenied: false };
  const over =
    /^(?:am |is |are )?no longer (.+)$/iu.exec(bare) ??
    /^(?:(?:do|does|am|is|are) not )(.+?)\s+anymore\b.*$/iu.exec(bare) ??
    /^stopped (.+)$/iu.exec(bare);
  if (over !== null) return { verb: withoutAdverbs(over[1] as string), tense: "end", isDenied: false };
  const denied = /^(?:do|does|did|am|is|are|have|has|can|will|was) not (.+)$/iu.exec(bare) ?? /^never (.+)$/iu.exec(bare);
  return denied === null
    ? { verb: bare, tense: "now", isDenied: false }
    : { verb: withoutAdverbs(denied[1] as string), tense: "now", isDenied: true };
}

/** What somebody or something is called. */
function introductions({ subject, said, isPossession, isFirst, isLowerCase }: Clause): FoundFact[] {
  const called = (predicate: string, name: string | undefined, of = subject): FoundFact[] =>
    name === undefined ? [] : [{ subject: of, predicate, object: name, tense: "now" }];
  const own = /^(?:full |first |real )?name is (.+)$/iu.exec(said);
  if (isPossession && own !== null) return called("name", personName(own[1] as string, isLowerCase));
  const called2 = /^is (?:called|named) (.+)$/iu.exec(said);
  if (called2 !== null && subject !== "user") return called("name", personName(called2[1] as string, isLowerCase));
  if (isPossession || subject !== "user") return [];
  const nickname = /^(?:calls? me|go by|am called|am known as) (.+)$/iu.exec(said);
  if (nickname !== null) return called("nickname", personName(nickname[1] as string, isLowerCase));
  const introduced =
    /^this is (.+?)(?: speaking| here)(?:,.*)?$/iu.exec(said) ??
    (isFirst ? /^am ((?:\p{Lu}[\p{L}'-]+)(?: \p{Lu}[\p{L}'-]+)?)(?:,.*| (?:from|by) .*)?$/u.exec(said) : null);
  return introduced === null ? [] : called("name", personName(introduced[1] as string, isLowerCase));
}

/** Where one lives, lived and moved. */
function whereabouts({ subject, said, isPossession, isLowerCase }: Clause, at: Date): FoundFact[] {
  if (isPossession) return [];
  const { verb, tense, isDenied } = tenseOf(said);
  const { rest, when } = splitWhen(verb, at);
  const place = (text: string | undefined) => (text === undefined ? undefined : properName(text, isLowerCase));
  const lives = (object: string | undefined, fact: Pick<FoundFact, "tense"> & When): FoundFact[] =>
    object === undefined || isDenied ? [] : [{ subject, predicate: "lives_in", object, ...fact }];
  const moved = /^(?:have |has )?(?:just |recently )?(?:moved|relocated)(?: back)?(?: from (.+?))? to (.+)$/iu.exec(rest);
  if (moved !== null && tense === "now") {
    const from = when.from ?? at.getTime();
    const old = moved[1] === undefined ? [] : lives(place(moved[1]), { tense: "past", to: from });
    return [...old, ...lives(place(moved[2]), { tense: "now", from })];
  }
  const moving = /^(?:am|is|are) (?:moving|relocating) to (.+)$/iu.exec(rest);
  if (moving !== null)
    return when.from !== undefined && when.from > at.getTime() ? lives(place(moving[1]), { tense, from: when.from }) : [];
  const here = /^(?:lives?|living|(?:am|is|are) (?:living|based)|based|resides?|(?:have|has) (?:been living|lived)) in (.+)$/iu.exec(rest);
  if (here !== null) {
    const object = place(here[1]);
    if (when.to !== undefined) return lives(object, { tense: "past", ...when });
    return lives(object, { tense, ...when });
  }
  const since = /^(?:have|has) been in (.+)$/iu.exec(rest);
  if (since !== null) return when.from === undefined ? [] : lives(place(since[1]), { tense: "now", from: when.from });
  const once = /^lived in (.+)$/iu.exec(rest);
  return once === null ? [] : lives(place(once[1]), { tense: "past", ...when, ...(when.to === undefined ? { from: undefined } : {}) });
}

/** Where one works and studies, as what. */
function work({ subject, said, isPossession, isLowerCase }: Clause, at: Date): FoundFact[] {
  if (isPossession) return [];
  const { verb, tense, isDenied } = tenseOf(said);
  if (isDenied) return [];
  const { rest, when } = splitWhen(verb, at);
  const fact = (predicate: string, object: string | undefined, of: FoundFact["tense"] = tense): FoundFact[] =>
    object === undefined ? [] : [{ subject, predicate, object, tense: when.to !== undefined && of === "now" ? "past" : of, ...when }];
  const name = (text: string) => properName(text.replace(/\s+as\s+an?\s.*$/iu, ""), isLowerCase);
  const left =
    /^(?:(?:have |has )?(?:just )?(?:left|quit|resigned from)(?: my job at)?|(?:got|was|were|been|have been) (?:laid off|fired|let go)(?: from| by)) (.+)$/iu.exec(
      rest,
    );
  if (left !== null) return fact("works_at", name(left[1] as string), "end");
  const joined = /^(?:(?:have |has )?joined|(?:got|have got) (?:a|the) (?:new )?job (?:at|with)|got hired (?:at|by)) (.+)$/iu.exec(rest);
  if (joined !== null) return fact("works_at", name(joined[1] as string));
  const working =
    /^(?:works?|working|(?:am|is|are) (?:working|employed)|(?:have |has )?(?:started|begun|began) (?:working|to work)|(?:have|has) (?:been working|worked)) (?:(at|for|with|by) )?(.+)$/iu.exec(
      rest,
    );
  if (working !== null) {
    const object = working[2] as string;
    const as = /(?:^|\s)as (an? .+|\S+ .+|\S+)$/iu.exec(object);
    const role = as === null ? [] : roleAt(as[1] as string);
    return [...(working[1] === undefined ? [] : fact("works_at", name(object))), ...role];
  }
  const worked = /^worked (?:at|for) (.+)$/iu.exec(rest);
  if (worked !== null) return fact("works_at", name(worked[1] as string), "past");
  const studies =
    /^(?:study|studies|studying|(?:am|is|are) (?:studying|a student|enrolled)|go(?:es)? to)(?: .*?)?\s?(?:at )((?:the )?\p{Lu}.+)$/u.exec(
      rest,
    );
  if (studies !== null) return fact("studies_at", properName(studies[1] as string, isLowerCase));
  const being =
    /^(?:am|is|(?:have|has) become|became) (an? .+)$/iu.exec(rest) ?? (tense === "now" ? null : /^(?:be )?(an? .+)$/iu.exec(rest));
  return being === null ? [] : roleAt(being[1] as string);

  function roleAt(text: string): FoundFact[] {
    const role = occupation(text);
    const where = / (?:at|for|with) (.+)$/iu.exec(text);
    if (role === undefined) return [];
    return [...fact("works_as", role), ...(where === null ? [] : fact("works_at", name(where[1] as string)))];
  }
}

function origins({ subject, said, isPossession, isLowerCase }: Clause): FoundFact[] {
  const { verb, tense, isDenied } = tenseOf(said);
  const from = /^(?:(?:am|is|are|comes?)(?: originally)? from|(?:was|were) (?:born|raised|born and raised) in|grew up in) (.+)$/iu.exec(
    verb,
  );
  if (isPossession || isDenied || tense !== "now" || from === null) return [];
  const object = properName(splitWhen(from[1] as string, new Date(0)).rest, isLowerCase);
  return object === undefined ? [] : [{ subject, predicate: "comes_from", object, tense, from: null }];
}

/** What is liked and disliked. */
function tastes({ subject, said, isPossession }: Clause): FoundFact[] {
  if (isPossession) return [];
  const hated = /^(?:do not |does not |can not )(?:really )?(?:stand|bear) (.+)$/iu.exec(withoutAdverbs(said));
  if (hated !== null) return things("dislikes", hated[1] as string, "now");
  const { verb, tense, isDenied } = tenseOf(said);
  const liked =
    /^(?:(?:really|absolutely|very much|quite) )?(?:likes?|loves?|enjoys?|adores?|(?:am|is|are) (?:an? )?(?:(?:big|huge|great) )?(?:fan of|into|fond of)|prefers?|(?:an? )?(?:(?:big|huge|great) )?fan of|into|fond of|liking) (.+)$/iu.exec(
      verb,
    ) ?? (isDenied ? /^liked (.+)$/iu.exec(verb) : null);
  if (liked !== null) {
    const what = (liked[1] as string).replace(/\s+(?:over|rather than|instead of)\s.*$/iu, "");
    return things(isDenied ? "dislikes" : "likes", what, tense);
  }
  const disliked = /^(?:(?:really|absolutely) )?(?:hates?|dislikes?|detests?|loathes?|despises?) (.+)$/iu.exec(verb);
  return disliked === null || isDenied ? [] : things("dislikes", disliked[1] as string, tense);

  function things(predicate: string, text: string, when: FoundFact["tense"]): FoundFact[] {
    return likedThings(text).map((object) => ({ subject, predicate, object, tense: when }));
  }
}

/** Age, allergies, diet, languages, whom one is married to. */
function traits({ subject, said, isPossession, isLowerCase }: Clause, at: Date): FoundFact[] {
  const { verb, tense, isDenied } = tenseOf(said);
  if (isPossession || isDenied) return [];
  const fact = (predicate: string, object: string | undefined): FoundFact[] =>
    object === undefined ? [] : [{ subject, predicate, object, tense }];
  const { rest } = splitWhen(verb, at);
  const age = /^(?:(?:am|is) (\d{1,3})(?: years? old| y\/?o)?|(?:have |has )?(?:just )?turned (\d{1,3}))(?:\s+and\s.*)?$/iu.exec(rest);
  if (age !== null) return fact("age", age[1] ?? age[2]);
  const allergic = /^(?:am|is) (?:severely |very |really )?allergic to (.+)$/iu.exec(rest);
  if (allergic !== null)
    return likedThings((allergic[1] as string).replace(/\s*,\s*(?:please|so|just)\b.*$/iu, "")).flatMap((thing) =>
      fact("allergic_to", thing),
    );
  const diet = /^(?:am|is|became|have become|went) (?:an? )?(vegetarian|vegan|pescatarian|pescetarian|flexitarian)(?:\s+and\s.*)?$/iu.exec(
    rest,
  );
  const languages = /(?:^|\s+and\s+(?:I\s+)?)speaks? (?:fluent |some )?(\p{Lu}\p{L}+(?:(?:, | and |, and )\p{Lu}\p{L}+)*)/u.exec(rest);
  const married = /^(?:am|is) (?:happily )?(married|engaged) to (.+)$/iu.exec(rest);
  return [
    ...fact("diet", diet?.[1]?.toLowerCase()),
    ...(languages?.[1]?.split(/, and |, | and /u) ?? []).flatMap((language) => fact("speaks", language)),
    ...(married === null ? [] : fact(married[1] === "married" ? "spouse" : "fiancé", personName(married[2] as string, isLowerCase))),
    ...(/^was born on (.+)$/iu.test(rest) ? birthday(subject, rest.slice(12)) : []),
  ];
}

function birthday(subject: string, text: string): FoundFact[] {
  const object = dayOfYear(firstNamed(text.replace(/^on\s+/iu, "")));
  return object === undefined ? [] : [{ subject, predicate: "birthday", object, tense: "now", from: null }];
}

const attributes: Readonly<Record<string, string>> = {
  ...{ email: "email", "email address": "email", "e-mail": "email", phone: "phone", "phone number": "phone", number: "phone" },
  ...{
    timezone: "timezone",
    "time zone": "timezone",
    surname: "surname",
    "last name": "surname",
    pronouns: "pronouns",
    hometown: "comes_from",
  },
  ...{ nickname: "nickname", "native language": "native_language", "mother tongue": "native_language" },
};
/** "My problem is TypeScript" tells of the moment, not of its writer. */
const momentary =
  /^(?:problem|issue|question|point|concern|guess|goal|plan|idea|code|error|bug|understanding|impression|only|next|last|first|answer|request|task|deadline|current|main|new|old|program|project|flight|meeting|apologies|bad|mistake|advice|suggestion|turn|friend|.*'s)\b/iu;

/** "My … is …", where what it is has a name. */
function possessions({ subject, said, isPossession, isLowerCase }: Clause): FoundFact[] {
  const found = /^([\p{L} -]{2,40}?) (?:is|are) (?:now |still |actually )?(.+)$/iu.exec(said);
  if (!isPossession || found === null || /^(?:full |first |real )?name$/iu.test(found[1] as string)) return [];
  const [, what = "", value = ""] = found;
  if (/^(?:birthday|birth date|date of birth)$/iu.test(what)) return birthday(subject, value);
  if (/^(?:not|no longer|called|named)\b/iu.test(value) || momentary.test(what) || what.split(" ").length > 3) return [];
  const predicate = attributes[what.toLowerCase()] ?? what.toLowerCase().replaceAll(" ", "_");
  const isKnown = what.toLowerCase() in attributes || /^fav(?:ou?rite|e) /iu.test(what);
  const bare = firstNamed(value).replace(/^(?:an?|the)\s+/iu, "");
  const object = isKnown ? bare : isLowerCase ? undefined : properName(bare, false);
  if (
    object === undefined ||
    object === "" ||
    object.length > 80 ||
    /^(?:to|how|what|when|this|that|these|those|because|very|so|too)\b/iu.test(object)
  )
    return [];
  return [{ subject, predicate, object, tense: "now", single: true }];
}
