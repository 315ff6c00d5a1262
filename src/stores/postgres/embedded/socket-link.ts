import { connect, type Socket } from "node:net";
import { BackendError } from "../../../domain/errors.ts";
import type { OwnerAddress } from "./directory-lock.ts";
import { allowWholeFrames, decodeGreeting, decodeResponse, encodeGreeting, encodeRequest, frameReader, protocolVersion } from "./frames.ts";
import { createLink, type Link } from "./link.ts";

/**
 * Connects to the owner of a directory and waits for its greeting, which it gives when its database is open.
 * Undefined when nobody of ours answers there.
 */
export function connectSocket(address: OwnerAddress, timeoutMs: number): Promise<Link | undefined> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(address.socket);
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    const { link, settle, lose } = createLink({
      post(request) {
        socket.cork();
        for (const part of encodeRequest(request)) socket.write(part);
        socket.uncork();
      },
      /** An idle connection does not keep the process alive. */
      hold: (waiting) => (waiting ? socket.ref() : socket.unref()),
      async close() {
        socket.destroy();
      },
    });
    let greeted = false;
    const reader = frameReader((frame) => {
      if (greeted) return settle(decodeResponse(frame));
      const greeting = decodeGreeting(frame);
      if (greeting === undefined) throw new Error("not an owner of ours");
      greeted = true;
      clearTimeout(timer);
      if (greeting.unforget !== protocolVersion) {
        reject(otherVersion());
        throw new Error("another version");
      }
      allowWholeFrames(reader);
      socket.unref();
      resolve(link);
    });
    socket.on("connect", () => socket.write(encodeGreeting({ unforget: protocolVersion, token: address.token })));
    socket.on("data", (chunk) => {
      try {
        reader.push(chunk);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    let cause: unknown;
    socket.on("error", (error) => {
      cause = error;
    });
    socket.on("close", () => {
      clearTimeout(timer);
      lose(cause);
      resolve(undefined);
    });
  });
}

function otherVersion(): BackendError {
  return new BackendError(
    "embedded",
    "open",
    "another process has this data directory open with a different version of unforget: use one version in both, or close the other process",
  );
}
