import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { builtinEmbedder } from "../../src/embedders/builtin/index.ts";
import { readWordVectors } from "../../src/embedders/builtin/weights-file.ts";

const weights = new URL("../../src/embedders/builtin/weights.bin", import.meta.url);
const embedder = builtinEmbedder();

async function embed(text: string): Promise<Float32Array> {
  const [vector] = await embedder.embed([text]);
  if (vector === undefined) throw new Error("no vector");
  return vector;
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}

/** Question, what should be recalled, what should not. */
const pairs: readonly (readonly [question: string, related: string, unrelated: string])[] = [
  ["What pet do I have?", "My dog Rex is sick today.", "I moved to Berlin last spring."],
  ["Where does the user live?", "I moved to Berlin last spring.", "I work as a nurse in a children's hospital."],
  ["What is her job?", "I work as a nurse in a children's hospital.", "Peanuts give me hives, so I avoid them."],
  ["What is he allergic to?", "Peanuts give me hives, so I avoid them.", "I just bought a used Toyota."],
  ["What car do I drive?", "I just bought a used Toyota.", "I write most of my code in TypeScript."],
  ["Which programming language does the user prefer?", "I write most of my code in TypeScript.", "I was born on March 3rd."],
  ["When is my birthday?", "I was born on March 3rd.", "I have been learning the violin for two years."],
  ["Which musical instrument does she play?", "I have been learning the violin for two years.", "My wife Anna is from Spain."],
  ["What is the name of my spouse?", "My wife Anna is from Spain.", "I play tennis every Saturday."],
  ["What sports does he do?", "I play tennis every Saturday.", "We ship it with docker compose on a VPS."],
  ["How do we deploy the app?", "We ship it with docker compose on a VPS.", "I always order an espresso after lunch."],
  ["What does the user like to drink?", "I always order an espresso after lunch.", "My husband and I celebrated our tenth anniversary."],
  ["Is she married?", "My husband and I celebrated our tenth anniversary.", "We are flying to Greece in August."],
  ["Where are they going on vacation?", "We are flying to Greece in August.", "My blood pressure has been high lately."],
  ["Are there any health problems?", "My blood pressure has been high lately.", "My dog Rex is sick today."],
];

describe("builtinEmbedder", () => {
  beforeAll(() => embed("warm up"));

  it("names its space and states its dimensions", async () => {
    expect(embedder.model).toBe("unforget/static-en-1");
    expect(embedder.dimensions).toBe(256);
    expect(await embed("hello")).toHaveLength(256);
  });

  it("ships weights of at most 8 MB, with the dimensions it states and no token twice", () => {
    expect(statSync(weights).size).toBeLessThanOrEqual(8_000_000);
    const { dimensions, vocabulary } = readWordVectors(readFileSync(weights));
    expect(dimensions).toBe(256);
    expect(new Set(vocabulary).size).toBe(vocabulary.length);
  });

  it("refuses a weights file that is damaged or cut short", () => {
    expect(() => readWordVectors(new Uint8Array(100))).toThrow("damaged");
    expect(() => readWordVectors(readFileSync(weights).subarray(0, 1_000_000))).toThrow("cut short");
  });

  it("gives the same bits on every machine and in every call", async () => {
    const vector = await embed('Caroline said, "I went to the café with my dog 🐶 on 8 May 2023!"');
    expect(await embed('Caroline said, "I went to the café with my dog 🐶 on 8 May 2023!"')).toEqual(vector);
    const view = new DataView(new ArrayBuffer(vector.length * 4));
    for (const [index, value] of vector.entries()) view.setFloat32(index * 4, value, true);
    const checksum = createHash("sha256").update(new Uint8Array(view.buffer)).digest("hex").slice(0, 16);
    // Changes with the weights file; then `builtinModel` must change too, once it has been released.
    expect(checksum).toBe("f6042ef8b0cc619c");
  });

  it.each(pairs)("puts what answers %j above what does not", async (question, related, unrelated) => {
    const [asked, good, bad] = await Promise.all([embed(question), embed(related), embed(unrelated)]);
    expect(cosine(asked, good)).toBeGreaterThan(cosine(asked, bad));
  });

  it("normalises its vectors", async () => {
    for (const text of ["a", "I like tea", "word ".repeat(2_000), "😊 ok"]) {
      const vector = await embed(text);
      expect(cosine(vector, vector)).toBeCloseTo(1, 5);
    }
  });

  it.each(["", "   \n\t", "\u0000", "😊", "\ud83d", "Привет мир"])("gives a zero vector for %j, which has no known token", async (text) => {
    expect(await embed(text)).toEqual(new Float32Array(256));
  });

  it("pays no regard to case, accents and white space", async () => {
    expect(await embed("  THE CAFÉ\n")).toEqual(await embed("the cafe"));
  });

  it("reads the head of a huge text, and quickly", async () => {
    const began = performance.now();
    expect(await embed("word ".repeat(4_000_000))).toEqual(await embed("word ".repeat(512)));
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it("keeps the order of a large batch and takes an empty one", async () => {
    const texts = Array.from({ length: 1_000 }, (_, index) => `message number ${index}`);
    const vectors = await embedder.embed(texts);
    expect(vectors).toHaveLength(1_000);
    expect(vectors[777]).toEqual(await embed("message number 777"));
    expect(await embedder.embed([])).toEqual([]);
  });

  it("rejects with the signal's reason when it is aborted before and during a call", async () => {
    const reason = new Error("enough");
    await expect(embedder.embed(["a"], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const running = embedder.embed(Array<string>(5_000).fill("a text"), { signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await expect(running).rejects.toBe(reason);
  });

  it("embeds thousands of messages a second", async () => {
    const words =
      "we went to the market yesterday and bought strawberries cheese bread with my sister who lives in boston near a lake".split(" ");
    const texts = Array.from({ length: 5_000 }, (_, index) =>
      Array.from({ length: 30 }, (_, place) => words[(index * 7 + place * 3) % words.length]).join(" "),
    );
    const began = performance.now();
    await embedder.embed(texts);
    const perSecond = (texts.length / (performance.now() - began)) * 1_000;
    // About 50,000 on an idle core; the floor only catches a change of kind, on machines that are busy otherwise.
    expect(perSecond).toBeGreaterThan(4_000);
  });
});
