/** The most tokens of one text that are read: BERT's own limit. The rest of a longer text is not looked at. */
export const maxTokens = 512;

/** The most UTF-16 code units of one text that are read: 512 tokens of ordinary text are about 2,500. */
export const maxTextLength = 8_192;

/** Longer words are unknown, as in the reference (`max_input_chars_per_word`). */
const maxWordLength = 100;

/** How many words of several pieces are remembered; the memory is emptied when it is full. */
const maxRememberedWords = 20_000;

/** Longer words are rare (links, keys): remembering them would only fill memory. */
const maxRememberedLength = 32;

/** Turns a text into the indices of its tokens. */
export interface Tokenizer {
  /**
   * Writes the token indices of `text` into `target` and returns how many there are, at most `target.length`.
   * Words that the vocabulary cannot spell are left out. Reads the first {@link maxTextLength} code units.
   */
  encode(text: string, target: Int32Array): number;
}

/**
 * BERT's uncased WordPiece tokenizer: clean, strip accents, lower-case, split at spaces, punctuation and Chinese
 * characters, then spell each word with the longest pieces the vocabulary has.
 *
 * One departure from the reference, on purpose: pictographs are split off like punctuation. The reference leaves
 * them glued to their word, so that `great😊` becomes one unknown token and the word is lost.
 *
 * @param vocabulary the tokens in the order of their indices; pieces inside a word begin with `##`
 */
export function wordPieceTokenizer(vocabulary: readonly string[]): Tokenizer {
  // One map for both kinds of piece, and no work per token beyond it: this loop is most of the time to load. A word
  // of the text is never taken for an inner piece, because "#" is punctuation.
  const pieces = new Map<string, number>();
  let longestPiece = 0;
  for (let index = 0; index < vocabulary.length; index++) {
    const token = vocabulary[index] as string;
    pieces.set(token, index);
    if (token.length > longestPiece) longestPiece = token.length;
  }

  const remembered = new Map<string, readonly number[]>();

  /** The pieces of a word that is no token itself; none when some part of it cannot be spelled. */
  const spell = (word: string): readonly number[] => {
    if (word.length > maxWordLength) return [];
    const known = remembered.get(word);
    if (known !== undefined) return known;
    const spelled = longestPieces(word, pieces, longestPiece);
    if (word.length <= maxRememberedLength) {
      if (remembered.size >= maxRememberedWords) remembered.clear();
      remembered.set(word, spelled);
    }
    return spelled;
  };

  return {
    encode(text, target) {
      const clean = normalize(text);
      const length = clean.length;
      const limit = target.length;
      let count = 0;
      let start = -1;

      for (let index = 0; index <= length && count < limit; index++) {
        const code = index < length ? clean.charCodeAt(index) : space;
        const charClass = code < 128 ? (asciiClasses[code] ?? classes.word) : classOf(clean, index);
        if (charClass === classes.word) {
          if (start < 0) start = index;
          continue;
        }
        if (start >= 0) {
          const word = clean.slice(start, index);
          start = -1;
          const whole = pieces.get(word);
          if (whole !== undefined) {
            target[count++] = whole;
          } else {
            for (const piece of spell(word)) if (count < limit) target[count++] = piece;
          }
        }
        if (charClass === classes.single && count < limit) {
          const width = code >= 0xd800 && code < 0xdc00 ? 2 : 1;
          const token = pieces.get(clean.slice(index, index + width));
          if (token !== undefined) target[count++] = token;
          index += width - 1;
        }
      }
      return count;
    },
  };
}

/** Greedy longest match, left to right: the algorithm that gives WordPiece its name. */
function longestPieces(word: string, pieces: ReadonlyMap<string, number>, longestPiece: number): readonly number[] {
  const spelled: number[] = [];
  let start = 0;
  while (start < word.length) {
    const mark = start === 0 ? "" : "##";
    let end = Math.min(word.length, start + longestPiece);
    let piece = pieces.get(mark + word.slice(start, end));
    while (piece === undefined && end > start + 1) {
      end--;
      piece = pieces.get(mark + word.slice(start, end));
    }
    if (piece === undefined) return [];
    spelled.push(piece);
    start = end;
  }
  return spelled;
}

/** Nearly all English text is plain, and plain text needs nothing but lower-casing. */
const notPlain = /[^\t\n\r\x20-\x7e]/;

/** What the reference drops: controls, format characters, private use, unassigned, lone surrogates, U+FFFD. */
const unreadable = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\ufffd]/gu;

function normalize(text: string): string {
  const read = text.length > maxTextLength ? text.slice(0, maxTextLength) : text;
  if (!notPlain.test(read)) return read.toLowerCase();
  const readable = read.replace(whiteControls, " ").replace(unreadable, "");
  // NFD parts letters from their accents, which are then marks of no width (Mn). Lower-casing comes after, as in the
  // reference.
  return readable
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "")
    .toLowerCase();
}

/** The controls that count as white space. */
const whiteControls = /[\t\n\r]/g;

/** What a character does to the word being read. */
const classes = { word: 0, space: 1, single: 2 } as const;
type CharacterClass = (typeof classes)[keyof typeof classes];

const space = 32;

/** The classes of ASCII. The reference counts symbols such as `$`, `+` and `^` as punctuation too. */
const asciiClasses = Uint8Array.from({ length: 128 }, (_, code) =>
  code <= space ? classes.space : /[0-9A-Za-z]/.test(String.fromCharCode(code)) ? classes.word : classes.single,
);

const whitespace = /\p{White_Space}/u;
const punctuation = /\p{P}/u;
const pictograph = /[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}]/u;

/** The classes of the characters beyond ASCII met so far, plus one; 0 for those not met. Surrogates stay 0. */
const metClasses = new Uint8Array(0x10000);

function classOf(text: string, index: number): CharacterClass {
  const met = metClasses[text.charCodeAt(index)] ?? 0;
  if (met !== 0) return (met - 1) as CharacterClass;
  const code = text.codePointAt(index) ?? 0;
  const character = String.fromCodePoint(code);
  const charClass = whitespace.test(character)
    ? classes.space
    : punctuation.test(character) || isChinese(code) || isSplitPictograph(character)
      ? classes.single
      : classes.word;
  if (code < 0x10000) metClasses[code] = charClass + 1;
  return charClass;
}

/** © ® and ™ count as pictographs in Unicode, but are written as part of a word and have pieces of their own. */
function isSplitPictograph(character: string): boolean {
  return pictograph.test(character) && !"©®™".includes(character);
}

/** The blocks of Chinese characters that BERT splits one by one. Kana and Hangul are left in words. */
function isChinese(code: number): boolean {
  return (
    (code >= 0x4e00 && code <= 0x9fff) ||
    (code >= 0x3400 && code <= 0x4dbf) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0x20000 && code <= 0x2ebef) || // extensions B to F; the reference's list has the same bounds, in four parts
    (code >= 0x2f800 && code <= 0x2fa1f)
  );
}
