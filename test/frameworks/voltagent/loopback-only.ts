import { Socket } from "node:net";
import { afterAll, expect } from "vitest";

// Nothing leaves this machine: a connection to anywhere else fails, and fails the file that asked for it.

const loopback = ["localhost", "127.0.0.1", "::1"];
const attempts: string[] = [];
const connect = Socket.prototype.connect;

Socket.prototype.connect = function (this: Socket, ...given: unknown[]) {
  const [first] = (Array.isArray(given[0]) ? given[0] : given) as [unknown];
  const host = typeof first === "object" && first !== null ? (first as { host?: unknown }).host : given[1];
  if (typeof host === "string" && !loopback.includes(host)) {
    attempts.push(host);
    throw new Error(`a connection to ${host} was asked for`);
  }
  return Reflect.apply(connect, this, given) as Socket;
} as typeof connect;

afterAll(() => {
  expect(attempts).toEqual([]);
});
