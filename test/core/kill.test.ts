import { expect, test } from "vitest";
import type { Memory, Message } from "../../src/index.ts";
import { describeEngines } from "../support/engines.ts";
import { type MemoryProcess, memoryProcess } from "../support/memory-process.ts";

const rounds = 50;

async function everything(memory: Memory, id: string): Promise<Message[]> {
  const all: Message[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await memory.messages.list(id, { limit: 10_000, cursor });
    all.unshift(...page.items);
    cursor = page.nextCursor;
    if (cursor === undefined) return all;
  }
}

describeEngines("kill -9", (engine) => {
  test(`of a process that adds messages, ${rounds} times: every acknowledged message is there, none twice, order kept`, {
    timeout: 300_000,
  }, async () => {
    const acknowledged: string[] = [];
    await memoryProcess("open", engine.place).ended;
    // Two run at a time, and the older and the newer one are killed by turns: on an embedded directory that is the owner,
    // which the other one replaces in the middle of its work, and a guest.
    const running = [memoryProcess("add", engine.place, "0")];
    for (let round = 1; round <= rounds; round++) {
      running.push(memoryProcess("add", engine.place, `${round}`));
      const victim = running.splice(round % 2, 1)[0] as MemoryProcess;
      await victim.printed(1 + Math.floor(Math.random() * 30));
      await victim.kill();
      acknowledged.push(...victim.lines);
    }
    for (const last of running) await last.kill();
    const memory = engine.memory();
    const stored = new Map<string, string[]>();
    for (const id of ["c1", "c2"]) {
      const messages = await everything(memory, id);
      expect(messages.every((message, index) => index === 0 || message.seq > (messages[index - 1] as Message).seq)).toBe(true);
      stored.set(
        id,
        messages.map((message) => message.id),
      );
    }
    const present = [...stored].flatMap(([id, ids]) => ids.map((messageId) => `${id} ${messageId}`));
    expect(new Set(present).size).toBe(present.length);
    expect(acknowledged.length).toBeGreaterThan(rounds);
    expect(acknowledged.filter((line) => !new Set(present).has(line))).toEqual([]);
    // A process numbers its messages as it makes the calls.
    for (const ids of stored.values()) {
      const last = new Map<string, number>();
      for (const [name = "", number] of ids.map((messageId) => messageId.split("-"))) {
        expect(Number(number)).toBeGreaterThan(last.get(name) ?? -1);
        last.set(name, Number(number));
      }
    }
    const { messages } = await memory.stats();
    expect(messages).toBe(present.length);
  });
});
