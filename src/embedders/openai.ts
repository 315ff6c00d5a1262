import type { Embedder } from "../domain/embedder.ts";
import { EmbeddingError, InvalidArgumentError, type MemoryError } from "../domain/errors.ts";
import { embedBatches, maxParallelRequests, maxRequestCharacters, splitTexts, withoutEmpty } from "./text-batches.ts";
import { vectorCheck } from "./vector-response.ts";

/** Options of {@link openaiEmbedder}. */
export interface OpenaiEmbedderOptions {
  /** The model's id, e.g. `"text-embedding-3-small"`. */
  readonly model: string;
  /** Sent as a bearer token. Servers of your own, such as Ollama, need none. */
  readonly apiKey?: string | undefined;
  /** Where the API begins; `/embeddings` is added. @default "https://api.openai.com/v1" */
  readonly baseUrl?: string | undefined;
  /** Asks the model for shorter vectors, where it can give them. @default the model's own length */
  readonly dimensions?: number | undefined;
  /** Further HTTP headers. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Names the embedding space. @default `openai/${model}` */
  readonly name?: string | undefined;
  /** How long one request may take, in milliseconds. @default 60_000 */
  readonly timeoutMs?: number | undefined;
}

/** The most texts OpenAI takes in one request (API reference, "Create embeddings"). */
const maxInputs = 2_048;

/** Lengths that OpenAI documents, so that a store can be laid out before the first call. */
const knownDimensions: Readonly<Record<string, number>> = {
  "text-embedding-3-small": 1_536,
  "text-embedding-3-large": 3_072,
  "text-embedding-ada-002": 1_536,
};

/**
 * Embeds over OpenAI's `POST /embeddings`, with OpenAI itself or any server that speaks it: Ollama, vLLM, LM Studio,
 * LiteLLM, text-embeddings-inference and so on.
 *
 * Up to 2,048 texts and 200,000 characters go into one request, up to 4 requests run at once. Nothing is retried here:
 * a failure is an {@link EmbeddingError}, `retryable` for HTTP 408, 409, 425, 429 and 5xx, for time-outs, for servers
 * out of reach and wherever the server names a `Retry-After`.
 *
 * @example
 * const embedder = openaiEmbedder({ model: "nomic-embed-text", baseUrl: "http://localhost:11434/v1" });
 */
export function openaiEmbedder(options: OpenaiEmbedderOptions): Embedder {
  const {
    model,
    apiKey,
    baseUrl = "https://api.openai.com/v1",
    dimensions,
    headers,
    name = `openai/${model}`,
    timeoutMs = 60_000,
  } = options;
  if (model.trim() === "") throw new InvalidArgumentError("embedding.model", "is empty: give the model's id");
  const url = embeddingsUrl(baseUrl);
  const check = vectorCheck(name, dimensions ?? knownDimensions[model]);

  const request = async (input: string[], signal: AbortSignal | undefined): Promise<Float32Array[]> => {
    const timeout = AbortSignal.timeout(timeoutMs);
    let response: Response;
    let body: unknown;
    try {
      response = await fetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(apiKey !== undefined && apiKey !== "" && { authorization: `Bearer ${apiKey}` }),
          ...headers,
        },
        body: JSON.stringify({ model, input, encoding_format: "float", ...(dimensions !== undefined && { dimensions }) }),
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      body = await readJson(response);
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      const what = timeout.aborted ? `gave no answer within ${timeoutMs} ms` : "could not be reached";
      throw new EmbeddingError(name, `the server ${what}: check baseUrl, or try again later`, { cause, retryable: true });
    }
    if (!response.ok) throw refusal(name, response, body);
    return check.read(vectorsInOrder(name, body), input.length);
  };

  return {
    model: name,
    get dimensions() {
      return check.dimensions;
    },
    // Fewer than fit into a request: when one text is refused, the whole batch is tried again.
    maxBatchSize: 512,
    maxParallelCalls: maxParallelRequests,
    async embed(texts, { signal } = {}) {
      signal?.throwIfAborted();
      const batches = splitTexts(withoutEmpty(texts), { texts: maxInputs, characters: maxRequestCharacters });
      return embedBatches(batches, maxParallelRequests, (batch) => request(batch, signal));
    },
  };
}

function embeddingsUrl(baseUrl: string): string {
  // The URL itself stays out of the message: it may carry a password.
  if (!URL.canParse(baseUrl)) {
    throw new InvalidArgumentError(
      "embedding.baseUrl",
      'is no URL: give the address where the API begins, such as "http://localhost:11434/v1"',
    );
  }
  const url = new URL(baseUrl);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/embeddings`;
  return url.href;
}

/** The answer as JSON, or undefined for a page of a proxy in between. A broken connection still throws. */
async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** `data` in the order of the inputs: the protocol numbers them and does not promise to keep the order. */
function vectorsInOrder(name: string, body: unknown): unknown[] {
  const data = (body as { data?: unknown } | undefined | null)?.data;
  if (!Array.isArray(data)) {
    throw new EmbeddingError(name, "the answer holds no embeddings: check that baseUrl is an OpenAI-compatible API");
  }
  const items = data as readonly ({ index?: unknown; embedding?: unknown } | null)[];
  const place = (item: (typeof items)[number]): number => (typeof item?.index === "number" ? item.index : 0);
  return [...items].sort((a, b) => place(a) - place(b)).map((item) => item?.embedding);
}

/** Only the status and the server's error code are told: its message may quote the key or the texts. */
function refusal(name: string, response: Response, body: unknown): MemoryError {
  const { status } = response;
  const details = (body as { error?: { code?: unknown; type?: unknown } | null } | undefined | null)?.error;
  const code = [details?.code, details?.type].find((value) => typeof value === "string" && /^[\w.-]{1,64}$/.test(value));
  const retryAfter = response.headers.get("retry-after");
  const retryable = retryAfter !== null || [408, 409, 425, 429].includes(status) || status >= 500;
  const seconds = retryAfter !== null && /^\d+$/.test(retryAfter) ? `in ${retryAfter} s` : "later";
  const advice =
    status === 401 || status === 403
      ? "check apiKey"
      : status === 404
        ? "check baseUrl and model"
        : retryable
          ? `try again ${seconds}`
          : "check the model's name and limits";
  return new EmbeddingError(name, `the server answered HTTP ${status}${code === undefined ? "" : ` (${code})`}: ${advice}`, {
    cause: new Error(`HTTP ${status} ${response.statusText}`.trim()),
    retryable,
  });
}
