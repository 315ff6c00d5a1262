import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lexicalHeader, segmentWords } from "../../../src/domain/words.ts";

describe("segmentWords", () => {
  test("text with spaces between its words comes back as it is", () => {
    for (const text of ["", "a  b\n\tc", "Größe, naïve; Ελληνικά кошка 한국어 문장", "שלום مرحبا", "नमस्ते"])
      expect(segmentWords(text)).toBe(text);
  });

  test.each([
    ["Chinese", "我喜欢北京烤鸭", "北京"],
    ["Japanese", "猫が好きです", "猫"],
    ["Thai", "ฉันชอบกินข้าว", "ข้าว"],
    ["Lao", "ຂ້ອຍມັກກິນເຂົ້າ", "ມັກ"],
    ["Khmer", "ខ្ញុំចូលចិត្តបាយ", "បាយ"],
    ["Burmese", "ကျွန်တော်ထမင်းစားတယ်", "ကျွန်တော်"],
  ])("%s is cut into words", (_, text, word) => {
    const words = segmentWords(text).split(" ");
    expect(words).toContain(word);
    expect(words.join("")).toBe(text);
  });

  test("words of other scripts in the same text stay whole", () => {
    expect(segmentWords("I love 北京 and Tokyo").split(" ")).toEqual(["I", "love", "北京", "and", "Tokyo"]);
  });

  test("nothing but space is added or taken", () => {
    const mixed = fc.string({ unit: fc.constantFrom(..."ab .,日本語東京タワーกินข้าว\u0000\n", "\ud83d\ude00") });
    fc.assert(
      fc.property(mixed, (text) => {
        const words = segmentWords(text);
        expect(words.replaceAll(/\s/g, "")).toBe(text.replaceAll(/\s/g, ""));
      }),
    );
  });
});

test("lexicalHeader is the day in UTC and the speaker", () => {
  expect(lexicalHeader({ name: "Caroline", createdAt: new Date("2023-05-08T23:59:59Z") })).toBe("8 May 2023 Caroline");
  expect(lexicalHeader({ name: null, createdAt: new Date("2024-02-29T00:00:00Z") })).toBe("29 February 2024");
  expect(lexicalHeader({ name: "Ann", createdAt: new Date("2024-12-31T23:30:00-02:00") })).toBe("1 January 2025 Ann");
});
