import { expect, test } from "vitest";
import { parseLocomoDate, readLocomo } from "../../src/importers/locomo.ts";
import { all, fixture, jsonFile } from "./import-files.ts";

test("sessions are conversations in the order of their numbers, one user per sample", async () => {
  const messages = await all(readLocomo(fixture("locomo.json")));
  expect(messages.map(({ userId, conversation, id, role }) => [userId, conversation, id, role])).toEqual([
    ["garden-1", "garden-1/session_1", "D1:1", "user"],
    ["garden-1", "garden-1/session_2", "D2:1", "assistant"],
    ["garden-1", "garden-1/session_2", "D2:2", "user"],
    ["garden-1", "garden-1/session_10", "D10:1", "assistant"],
    ["conv-2", "conv-2/session_1", "D1:1", "user"],
  ]);
});

test("a turn has its speaker's name, a minute after the one before, and what its photo shows", async () => {
  expect((await all(readLocomo(fixture("locomo.json"))))[2]).toEqual({
    userId: "garden-1",
    conversation: "garden-1/session_2",
    id: "D2:2",
    role: "user",
    name: "Mara",
    content: "Look! [image: a photo of a bean plant]",
    createdAt: "2024-02-29T00:31:00.000Z",
    metadata: { image: "a photo of a bean plant" },
  });
});

test.each([
  ["1:56 pm on 8 May, 2023", "2023-05-08T13:56:00.000Z"],
  ["12:09 am on 13 September, 2023", "2023-09-13T00:09:00.000Z"],
  ["12:00 pm on 31 December, 2022", "2022-12-31T12:00:00.000Z"],
  ["11:59 PM on 1 january 2024", "2024-01-01T23:59:00.000Z"],
])("%s is %s", (text, iso) => {
  expect(new Date(parseLocomoDate(text) ?? Number.NaN).toISOString()).toBe(iso);
});

test.each(["", "13:00 pm on 8 May, 2023", "0:10 am on 8 May, 2023", "1:56 pm on 31 June, 2023", "1:56 pm on 8 Mai, 2023", 5, undefined])(
  "%s is no date",
  (value) => {
    expect(parseLocomoDate(value)).toBeUndefined();
  },
);

test("another shape is refused with what is missing", async () => {
  await expect(all(readLocomo(jsonFile([{}])))).rejects.toThrow('element 1 has no "conversation"');
  await expect(all(readLocomo(jsonFile([{ conversation: { session_1: [] } }])))).rejects.toThrow("session_1 of conv-1 has no date like");
});
