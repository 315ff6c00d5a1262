/** A statement somebody makes of himself or of another, without what surrounds it. */
export interface Clause {
  /** `"user"`, or as in `"user's sister"`. */
  readonly subject: string;
  /** What is said of the subject, contractions written out: `live in Oslo`, `do not like jazz any more`, `name is Priya`. */
  readonly said: string;
  /** Whether it is said of what the subject has: `my name is`, `my sister's birthday is`. */
  readonly isPossession: boolean;
  /** The first thing a message says, where one introduces oneself. */
  readonly isFirst: boolean;
  /** Its writer does not use capitals, so that they tell nothing. */
  readonly isLowerCase: boolean;
}

const relations =
  "sister|brother|mother|mom|mum|father|dad|wife|husband|spouse|partner|girlfriend|boyfriend|fiancée?|son|daughter|child|kid|baby|cousin|uncle|aunt|nephew|niece|grandmother|grandma|grandfather|grandpa|roommate|flatmate|neighbou?r|boss|manager|colleague|coworker|co-worker|teacher|mentor|friend|best friend|dog|cat|puppy|kitten|horse|parrot|rabbit|hamster";
const relation = `(?:(?:older|younger|elder|little|big|twin|late|eldest|youngest) )?(?:${relations})(?:-in-law)?`;

/** What makes a sentence something else than a plain statement of its writer. */
const notStated =
  /\b(?:if|whether|wish|wished|hope|hoped|would|could|should|might|may(?= (?:i|be|move|live|work|go|have)\b)|maybe|perhaps|probably|imagine|suppose|supposing|pretend|pretending|hypothetically|unless|almost|nearly|thinking (?:about|of)|considering|says?|said|told|tells?|asked|claims?|claimed|wrote|quote|character|protagonist|novel|story|poem|lyrics|song|example|e\.g|dream|dreamt|dreamed|joking|kidding|sarcas\w*|supposed to|going to|want to|wants to|plan to|planning|lie|lied)\b/iu;
const task =
  /^(?:please |pls |can you |could you |now )*(?:translate|rewrite|rephrase|paraphrase|proofread|summari[sz]e|edit|correct|fix|improve|polish|write|draft|compose|generate|continue|complete|reply|respond|answer|act|role-?play|explain|parse|classify|extract)\b/iu;
const leadIn =
  /^(?:(?:well|so|ok|okay|yes|yeah|yep|no|nope|hi|hello|hey|hi there|hello there|good (?:morning|evening|afternoon)|actually|sorry|oh|also|and|but|by the way|btw|anyway|quick update|big news|good news|update|(?:please )?remember(?: that)?|(?:please )?note(?: that)?|fyi|currently|at the moment|right now|now|these days|nowadays|today|since then|before that|then|because|although|thanks|thank you|honestly|personally|in fact|i mean|just so you know|for context|please)\b[\s,:!—–-]*)+/iu;

/** The plain statements of a text. Questions, quotes, code, what is only imagined and what is to be worked on are left out. */
export function clausesOf(text: string): Clause[] {
  const plain = withoutQuotes(text);
  const isLowerCase = !/\p{Lu}/u.test(plain);
  const clauses: Clause[] = [];
  let other: string | undefined;
  for (const [place, sentence] of sentencesOf(plain).entries()) {
    if (task.test(sentence)) break;
    if (sentence.endsWith("?") || notStated.test(sentence)) {
      other = undefined;
      continue;
    }
    let subject: string | undefined;
    for (const [index, part] of partsOf(sentence).entries()) {
      const found = statement(part, other, subject);
      subject = found?.subject;
      if (found === undefined) continue;
      if (found.subject !== "user") other = found.subject;
      const clause = { ...found, isFirst: place <= 1 && index === 0, isLowerCase };
      const named = found.subject !== "user" && !found.isPossession ? /^(\p{Lu}[\p{L}'-]+)\s+(\p{Ll}.*)$/u.exec(found.said) : null;
      // "My daughter Ida is 7" tells her name as well.
      if (named === null) clauses.push(clause);
      else clauses.push({ ...clause, said: `name is ${named[1]}`, isPossession: true }, { ...clause, said: named[2] as string });
    }
  }
  return clauses;
}

type Found = Pick<Clause, "subject" | "said" | "isPossession">;

/** @param other whom "he" and "she" mean; @param carried whom a part without a subject is about */
function statement(part: string, other: string | undefined, carried: string | undefined): Found | undefined {
  const bare = part.replace(leadIn, "");
  const call = /^(?:(?:(?:everyone|everybody|people|(?:my )?friends|you can)\s+)?(?:just )?(calls? me\s.+)|(this is\s.+))/iu.exec(bare);
  if (call !== null) return { subject: "user", said: (call[1] ?? call[2]) as string, isPossession: false };
  const self = /^(?:i|we)\s+(.+)$/iu.exec(bare);
  if (self !== null) return { subject: "user", said: self[1] as string, isPossession: false };
  const theirs = new RegExp(`^my (${relation})'s?\\s+(.+)$`, "iu").exec(bare);
  if (theirs !== null) return { subject: ofUser(theirs[1]), said: theirs[2] as string, isPossession: true };
  const them = new RegExp(`^my (${relation})\\s+(.+)$`, "iu").exec(bare);
  if (them !== null) return { subject: ofUser(them[1]), said: them[2] as string, isPossession: false };
  const own = /^my\s+(.+)$/iu.exec(bare);
  if (own !== null) return { subject: "user", said: own[1] as string, isPossession: true };
  const pronoun = /^(?:he|she)\s+(.+)$/iu.exec(bare);
  if (pronoun !== null) return other === undefined ? undefined : { subject: other, said: pronoun[1] as string, isPossession: false };
  const verb =
    /^(?:(?:now|also|still|currently|really)\s+)*(?:lives?|works?|stud(?:y|ies)|likes?|loves?|hates?|enjoys?|speaks?|moved|joined|started)\s.+$/iu;
  return carried !== undefined && verb.test(bare) ? { subject: carried, said: bare, isPossession: false } : undefined;
}

const ofUser = (relative = "") => `user's ${relative.toLowerCase().replace("favorite", "favourite")}`;

function withoutQuotes(text: string): string {
  return text
    .normalize("NFC")
    .replace(/[’‘ʼ]/gu, "'")
    .replace(/```[\s\S]*?(?:```|$)/gu, " ")
    .replace(/`[^`\n]*`/gu, " ")
    .replace(/^\s*>.*$/gmu, " ")
    .replace(/["“”„«»][^"“”„«»]*["“”„«»]/gu, " … ")
    .replace(/(^|[\s(:])'[^'\n]*(?:\w'\w[^'\n]*)*'(?=$|[\s).,;:!?])/gu, "$1 … ");
}

/** Ends of sentences, not of "St." or of an address. */
function sentencesOf(text: string): string[] {
  return text
    .split(/(?<=[!?])\s+|(?<=[.])\s+(?<!\b(?:st|dr|mr|mrs|ms|jr|sr|prof|e\.g|i\.e|vs|no|mt|ft)\.\s+)|\n+|;\s+/iu)
    .map((sentence) => expanded(sentence.trim()))
    .filter((sentence) => sentence !== "");
}

const newStatement = "(?:i|we|my|he|she)\\b";
const newVerb = "(?:(?:now|also|still) )?(?:lives?|works?|stud(?:y|ies)|likes?|loves?|hates?|enjoys?|speaks?|moved|joined|started)\\b";
const separator = new RegExp(
  `(?:,\\s*(?:and|but|so|now|because|though)?|\\s+(?:and|but|because|while|though)|:|\\s[—–-])\\s+(?=(?:(?:now|so|then|also|and|right now|these days),? )?${newStatement})|\\s+(?:and|but),?\\s+(?=${newVerb})`,
  "iu",
);

const partsOf = (sentence: string): string[] =>
  sentence
    .split(separator)
    .map((part) => part.replace(/[\s,.!…]+$/u, "").trim())
    .filter((part) => part !== "");

/** Contractions written out. */
function expanded(sentence: string): string {
  return sentence
    .replace(/\bcan't\b|\bcannot\b/giu, "can not")
    .replace(/\bwon't\b/giu, "will not")
    .replace(/n't\b/giu, " not")
    .replace(/\b(I)'m\b/giu, "$1 am")
    .replace(/\b(I|we)'ve\b/giu, "$1 have")
    .replace(/\b(I|we|he|she)'d\b/giu, "$1 would")
    .replace(/\b(I|we|he|she)'ll\b/giu, "$1 will")
    .replace(/\bwe're\b/giu, "we are")
    .replace(/\b(he|she|it|name|names)'s\b/giu, "$1 is")
    .replace(/\bany more\b/giu, "anymore");
}
