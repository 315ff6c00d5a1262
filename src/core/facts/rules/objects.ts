/** Words after which what is named has ended. */
const ending =
  /\s+(?:because|but|so|when|while|where|which|who|though|although|these days|nowadays|now|right now|currently|at the moment|by the way|too|as well|please|anymore|again|together|with|for|since|until|and|or|then)(?:\s.*)?$/iu;

/** What is named first: `Oslo` of `Oslo with my father these days`. */
export function firstNamed(text: string): string {
  let named = text.trim();
  for (let before = ""; before !== named; ) {
    before = named;
    named = named.replace(ending, "").replace(/[\s,.!;]+$/u, "");
  }
  return named;
}

const small = /^(?:of|the|de|del|della|da|do|dos|das|du|la|le|les|los|las|van|von|der|den|and|&|at|on|upon|in|el|al|y|e)$/u;
const commonNames = /^(?:a|an|my|our|your|his|her|their|this|that|it|there|here|home|town|fear|peace|some|several|one)\b/iu;

/** A name of a place or of an organisation. Where capitals are used, it has them. */
export function properName(text: string, isLowerCase: boolean): string | undefined {
  const name = firstNamed(text).replace(/,\s.*$/u, (rest) => (/^,\s\p{Lu}/u.test(rest) ? rest : ""));
  if (name === "" || name.length > 80 || commonNames.test(name)) return undefined;
  const words = name.split(/\s+/u);
  if (words.length > 6) return undefined;
  if (isLowerCase) return words.length <= 2 && /^\p{L}/u.test(name) && !/^the\b/u.test(name) ? name : undefined;
  const [first = ""] = words;
  const rest = /^the$/iu.test(first) ? words.slice(1) : words;
  if (rest.length === 0 || !isCapital(rest[0])) return undefined;
  const end = rest.findIndex((word) => !isCapital(word) && !small.test(word));
  const kept = end === -1 ? rest : rest.slice(0, end);
  // What follows the name tells more of it: that may be anything.
  while (kept.length > 0 && small.test(kept.at(-1) as string)) kept.pop();
  const proper = (rest === words ? kept : [first, ...kept]).join(" ").replace(/[,.]+$/u, "");
  return proper === "" ? undefined : proper;
}

const isCapital = (word = "") => /^["'(]?(?:\p{Lu}|\p{Lo}|\d)/u.test(word);

const notNames = new Set(
  "sorry tired happy sad here back fine good ok okay sure ready done german french english spanish italian dutch american british canadian indian chinese japanese korean russian polish swedish norwegian danish finnish portuguese brazilian mexican turkish greek irish scottish welsh australian austrian swiss belgian african european asian muslim christian jewish catholic hindu buddhist vegan vegetarian batman free new out off in on up not also just very so really still always never trying working looking going using building writing learning living based from at a an the later tomorrow today when if maybe crazy soon again old married single monday tuesday wednesday thursday friday saturday sunday".split(
    " ",
  ),
);

/** The name of a person: one to three words with capitals, or one word where nobody uses them. */
export function personName(text: string, isLowerCase: boolean): string | undefined {
  const name = firstNamed(text).replace(/\s+(?:speaking|here|by|from|at|in)\b.*$/u, "");
  const words = name.split(/\s+/u);
  if (words.length > (isLowerCase ? 1 : 3) || notNames.has((words[0] ?? "").toLowerCase())) return undefined;
  const isName = (word: string) => /^\p{L}[\p{L}\p{M}'’.-]*$/u.test(word) && (isLowerCase || isCapital(word));
  return words.every(isName) ? name.replace(/[.]+$/u, "") : undefined;
}

/** What points at the moment, at people of the talk, or is a sentence of its own. */
const pointing =
  /^(?:the|to|how|when|where|why|who|what|everything|everywhere|everyone|nothing|something|anything|all|both|more|most|being|having|one|ones|not|no|seeing|for|from|with|about)\b|\b(?:it|its|this|that|these|those|he|she|they|them|him|her|me|us|i|we|you|your|yours|my|our|his|their|is|are|was|were|be|been|am|'cause|cos)\b|…/iu;
const bareVerb = /^(?:playing|going|doing|getting|making|trying|watching|taking|working|talking|living|looking|thinking|helping)$/iu;

/** Things that are liked: `ramen, sushi and long walks` are three. What comes after something else is not one. */
export function likedThings(text: string): string[] {
  const named = text
    .replace(/\s+[-–—]\s.*$/u, "")
    .replace(
      /\s+(?:because|but|so|when|while|where|which|who|though|these days|nowadays|now|right now|currently|lately|at the moment|by the way|too|as well|please|anymore|again|together|with|even more|a lot|so much|very much|more than|over|than|for|since)(?:\b.*)?$/iu,
      "",
    );
  const things = named
    .split(/\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+/iu)
    .map((thing) => thing.replace(/^(?:a|an|some|also)\s+/iu, "").replace(/[.!\s]+$/u, ""));
  const end = things.findIndex(
    (thing) => thing === "" || thing.length > 60 || thing.split(/\s+/u).length > 6 || pointing.test(thing) || bareVerb.test(thing),
  );
  return end === -1 ? things : things.slice(0, end);
}

const occupations = new Set(
  "accountant actor actress analyst architect artist astronomer attorney author baker banker barber barista bartender biologist blogger bookkeeper builder butcher carpenter cashier chef chemist cleaner coach composer consultant contractor cook counselor curator dancer dentist designer developer director doctor driver economist editor electrician engineer entrepreneur farmer firefighter fisherman florist founder freelancer gardener geologist hairdresser historian illustrator interpreter inventor investor janitor journalist judge lawyer lecturer librarian lifeguard linguist locksmith machinist manager mathematician mechanic midwife miner model musician nurse nutritionist optician painter paramedic pharmacist philosopher photographer physicist physiotherapist pianist pilot plumber poet policeman policewoman politician potter producer professor programmer psychiatrist psychologist publisher realtor receptionist recruiter researcher sailor salesman saleswoman scientist sculptor secretary singer soldier sommelier statistician steward stylist surgeon surveyor tailor teacher technician therapist trainer translator tutor vet veterinarian videographer violinist waiter waitress watchmaker welder writer zoologist student paralegal".split(
    " ",
  ),
);

/** What somebody works as: `data engineer` of `a data engineer for trains`. */
export function occupation(text: string): string | undefined {
  const role = text
    .replace(/\s+(?:at|in|for|with|from|on|and|who|by|based|since|now|these days)\b.*$/iu, "")
    .replace(/^(?:an?|the)\s+/iu, "");
  const words = role.split(/\s+/u);
  return words.length <= 4 && occupations.has((words.at(-1) ?? "").toLowerCase()) ? role : undefined;
}
