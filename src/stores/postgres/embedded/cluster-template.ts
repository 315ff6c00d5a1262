import { Buffer } from "node:buffer";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

/**
 * A fresh cluster with pgvector in it, as a compressed tar file: unpacking it takes a tenth of the time of `initdb`.
 * Made by `scripts/make-cluster-template.mjs`.
 */
export interface ClusterTemplate {
  /** The major version of PostgreSQL, as in `PG_VERSION`. */
  readonly postgresVersion: string;
  tar(): Uint8Array<ArrayBuffer>;
}

const folder = dirname(fileURLToPath(import.meta.url));

/** Undefined unless it was made by exactly the installed PGlite and pgvector; then `initdb` has to do. */
export function readTemplate(): ClusterTemplate | undefined {
  try {
    const description: unknown = JSON.parse(readFileSync(join(folder, "cluster-template.json"), "utf8"));
    const { postgres, pglite, pgvector } = description as Record<string, unknown>;
    if (pglite !== installedVersion("@electric-sql/pglite") || pgvector !== installedVersion("@electric-sql/pglite-pgvector"))
      return undefined;
    return {
      postgresVersion: String(postgres),
      tar: () => new Uint8Array(brotliDecompressSync(readFileSync(join(folder, "cluster-template.tar.br")))),
    };
  } catch {
    return undefined;
  }
}

function installedVersion(name: string): string | undefined {
  for (let at = dirname(fileURLToPath(import.meta.resolve(name))); at !== dirname(at); at = dirname(at)) {
    try {
      const description = JSON.parse(readFileSync(join(at, "package.json"), "utf8")) as { name?: string; version?: string };
      if (description.name === name) return description.version;
    } catch {
      // No package.json in this folder: look above.
    }
  }
  return undefined;
}

const blockLength = 512;

/** Reads the plain ustar files that our script writes: directories and short names only. */
export function unpackTemplate(tar: Uint8Array, target: string): void {
  const data = Buffer.from(tar.buffer, tar.byteOffset, tar.byteLength);
  for (let at = 0; at + blockLength <= data.length && data[at] !== 0; ) {
    const name = cString(data.subarray(at, at + 100));
    const size = Number.parseInt(cString(data.subarray(at + 124, at + 136)), 8);
    const isDirectory = data[at + 156] === 53;
    at += blockLength;
    if (isDirectory) mkdirSync(join(target, name), { recursive: true, mode: 0o700 });
    else writeFileSync(join(target, name), data.subarray(at, at + size), { mode: 0o600 });
    at += Math.ceil(size / blockLength) * blockLength;
  }
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("latin1", 0, end < 0 ? bytes.length : end).trim();
}
