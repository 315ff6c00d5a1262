/**
 * Writes what the reference tokenizer makes of some texts, to test ours against. The reference is the Hugging Face
 * one with the model's own `tokenizer.json`, its vocabulary cut down to the rows of the weights file.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BertTokenizer } from "@huggingface/transformers";
import { readWordVectors } from "../../src/embedders/builtin/weights-file.ts";
import { modelFolder } from "./model-folder.ts";

const { values: flags } = parseArgs({
  options: {
    weights: { type: "string", default: new URL("../../src/embedders/builtin/weights.bin", import.meta.url).pathname },
    out: { type: "string", default: new URL("../../test/embedders/fixtures/tokenizer.json", import.meta.url).pathname },
  },
});

/** Emoji stand apart from words here: ours parts them on purpose, the reference does not. */
const texts = [
  "Hello, world!",
  'Caroline said, "I went to the LGBTQ+ support group yesterday."',
  "unbelievably antidisestablishmentarianism",
  "I'm can't won't they've o'clock",
  "I’m “quoted” – and—dashed… ‘so’",
  "naïve café Ångström Zürich façade résumé",
  "ÀÉÎÕÜ ñ ç ß œ æ ø ł",
  "İstanbul ıspanak",
  "mail me at anna.smith+tag@example.co.uk or https://example.com/a_b?c=1&d=%20",
  "$5.99 €20 £3 50% 1,000,000 3.14 1e-9 2023-05-08 10:30pm",
  "C++ C# F# Node.js TypeScript snake_case camelCase kebab-case",
  "tabs\tand\nnewlines\r\nand  double   spaces ",
  "non breaking em space ideographic　space",
  "zero​width‍joiner and soft­hyphen and \u0000null \u0007bell",
  "Great 😊 news 🎉 👍🏽 👨‍👩‍👧 🇩🇪 ok",
  "日本語のテキスト 中文 mixed中文with latin",
  "한국어 텍스트",
  "Привет мир, это тест",
  "مرحبا بالعالم",
  "שלום עולם",
  "नमस्ते दुनिया",
  "x² + y³ = z⁴ ½ ¼ № ™ © ®",
  "← → ↑ ↓ ★ ☆ ♥ ♠ • ▪",
  "H₂O CO₂ 25°C μm Ωhm",
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  `${"b".repeat(101)} after a word of 101 letters`,
  `${"ab".repeat(50)} after a word of 100 letters`,
  "soooo goooood lol omg idk btw tbh",
  "ﬁne ﬂow Ｆｕｌｌｗｉｄｔｈ ①②③",
  "e\u0301 combining a\u030a\u0323 marks",
  "Łódź Škoda Dvořák Nguyễn Đặng",
  "under_score __init__ --flag <tag> {json: [1,2]} \\back`tick`",
  "¿Qué tal? ¡Hola! «guillemets» „unten“ 、。「」",
  "",
  "   ",
  "!!!???...",
];

const { vocabulary } = readWordVectors(readFileSync(flags.weights));
const model = JSON.parse(readFileSync(join(modelFolder, "tokenizer.json"), "utf8")) as {
  model: { vocab: Record<string, number> };
  added_tokens: { id: number; content: string }[];
};
const config: unknown = JSON.parse(readFileSync(join(modelFolder, "tokenizer_config.json"), "utf8"));
const special = model.added_tokens.map(({ content }) => content);
model.model.vocab = Object.fromEntries([...vocabulary, ...special].map((token, index) => [token, index]));
model.added_tokens = model.added_tokens.map((token) => ({ ...token, id: model.model.vocab[token.content] as number }));

const reference = new BertTokenizer(model, config);
const cases = texts.map((text) => ({
  text,
  // [UNK] has no row and is left out.
  ids: reference.encode(text, { add_special_tokens: false }).filter((id) => id < vocabulary.length),
}));
writeFileSync(flags.out, `[\n${cases.map((entry) => `  ${JSON.stringify(entry)}`).join(",\n")}\n]\n`);
