import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, unlinkSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/** The kernel copies the path into 108 bytes (104 on macOS), terminator included. */
const maxPathBytes = 103;
const ourSockets = /^unforget-[0-9a-f]{12}\.sock$/;

/**
 * A fresh address for an owner of this directory. Fresh, because a dying owner unlinks its socket at a moment nobody
 * controls, and must not hit its successor's; clients learn it from `owner.json`. It is in the directory, or in the
 * temporary one when that path is too long or its file system knows no sockets.
 */
export function newSocketPath(directory: string, place: "inside" | "temporary" = "inside"): string {
  const name = `unforget-${randomBytes(6).toString("hex")}`;
  if (process.platform === "win32") return `\\\\.\\pipe\\${name}`;
  const inside = join(directory, `${name}.sock`);
  if (place === "inside" && Buffer.byteLength(inside) <= maxPathBytes) return inside;
  return join(privateTemporaryDirectory(directory), `${name}.sock`);
}

function privateTemporaryPath(directory: string): string {
  const hash = createHash("sha256").update(`${userInfo().uid}:${directory}`).digest("hex").slice(0, 16);
  const name = `unforget-${hash}`;
  // A long TMPDIR (macOS, CI) would defeat the purpose.
  const parent = Buffer.byteLength(join(tmpdir(), name)) + 27 <= maxPathBytes ? tmpdir() : "/tmp";
  return join(parent, name);
}

function privateTemporaryDirectory(directory: string): string {
  const path = privateTemporaryPath(directory);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== userInfo().uid || (found.mode & 0o077) !== 0) {
    throw new Error(`${path} exists and is not private to this user: remove it, or set TMPDIR to a directory of your own`);
  }
  return path;
}

/** Removes what killed owners of this directory left. The caller holds its lock, so there is no living one. */
export function removeStaleSockets(directory: string): void {
  if (process.platform === "win32") return;
  for (const place of [directory, privateTemporaryPath(directory)]) {
    try {
      for (const name of readdirSync(place)) if (ourSockets.test(name)) unlinkSync(join(place, name));
    } catch {
      // Not there.
    }
  }
}
