import { setTimeout as sleep } from "node:timers/promises";
import { BackendError } from "../../domain/errors.ts";
import type { HttpJson } from "../../internal/http-json.ts";
import type { ServerlessRegion } from "./region.ts";

/** An index that takes requests. */
export interface PineconeIndex {
  readonly url: string;
  readonly dimensions: number;
}

export interface IndexSettings {
  readonly index: string;
  readonly region: ServerlessRegion;
  /** How long a new index may take to get ready. */
  readonly readyTimeoutMs: number;
  /** Of addresses that come without: the local emulator's. */
  readonly protocol: string;
}

const pollMs = 500;

/** The index, made when it is missing and `dimensions` are given; undefined when it is missing and they are not. */
export async function findIndex(
  controller: HttpJson,
  settings: IndexSettings,
  dimensions: number | undefined,
  signal: AbortSignal | undefined,
): Promise<PineconeIndex | undefined> {
  const { index, region, readyTimeoutMs } = settings;
  const operation = dimensions === undefined ? "open" : "useSpace";
  const path = `/indexes/${encodeURIComponent(index)}`;
  const deadline = Date.now() + readyTimeoutMs;
  for (let isMade = false; ; ) {
    const { status, body } = await controller({ method: "GET", path, operation, signal, accept: [404] });
    if (status === 404) {
      if (dimensions === undefined) return undefined;
      // Just made, it may not be told of at once. 409: another process was faster.
      if (!isMade)
        await controller({
          method: "POST",
          path: "/indexes",
          body: toIndexBody(index, region, dimensions),
          operation,
          signal,
          accept: [409],
        });
      isMade = true;
    } else {
      const described = body as IndexDescription;
      if (described.status?.ready === true && described.host) return toIndex(described, settings);
      if (described.status?.state === "InitializationFailed")
        throw new BackendError("pinecone", operation, `the index "${index}" could not be made ready: see the console of Pinecone`);
    }
    if (Date.now() > deadline) {
      const message = `the index "${index}" is not ready after ${readyTimeoutMs} ms: try again later, or raise readyTimeoutMs`;
      throw new BackendError("pinecone", operation, message, { code: "backend_unavailable", retryable: true });
    }
    await sleep(pollMs, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
  }
}

interface IndexDescription {
  readonly host?: string;
  readonly dimension?: number;
  readonly metric?: string;
  readonly status?: { readonly ready?: boolean; readonly state?: string };
}

function toIndexBody(name: string, { cloud, region }: ServerlessRegion, dimension: number): object {
  return {
    name,
    vector_type: "dense",
    dimension,
    metric: "cosine",
    spec: { serverless: { cloud, region } },
    deletion_protection: "disabled",
  };
}

function toIndex({ host, dimension, metric }: IndexDescription, { index, protocol }: IndexSettings): PineconeIndex {
  if (dimension === undefined || metric !== "cosine")
    throw new BackendError(
      "pinecone",
      "useSpace",
      `the index "${index}" was made for other vectors or by another metric than cosine: name another one`,
    );
  return { url: withProtocol(host as string, protocol), dimensions: dimension };
}

/** Pinecone names hosts without `https://`. */
export function withProtocol(host: string, protocol: string): string {
  return /^https?:\/\//.test(host) ? host : `${protocol}//${host}`;
}
