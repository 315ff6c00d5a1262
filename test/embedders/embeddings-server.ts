import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

/** What a client sent. */
export interface ReceivedRequest {
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly model: string; readonly input: string[]; readonly dimensions?: number };
}

/** What the server answers; each field stands in for what a well-behaved server would do. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Never answers. */
  readonly hang?: boolean;
}

/** A server that speaks OpenAI's `/v1/embeddings` on 127.0.0.1. */
export interface EmbeddingsServer {
  readonly baseUrl: string;
  readonly requests: ReceivedRequest[];
  /** The most requests that were open at once. */
  readonly mostAtOnce: () => number;
  /** What the next requests get, one each; after them the server behaves. */
  readonly answers: Answer[];
  close(): Promise<void>;
}

/** The vector it gives a text: its length and its first character's code, so that mix-ups of order are seen. */
export function vectorOf(text: string): number[] {
  return [text.length, text.charCodeAt(0), 1, 0.5];
}

export async function embeddingsServer(): Promise<EmbeddingsServer> {
  const requests: ReceivedRequest[] = [];
  const answers: Answer[] = [];
  let open = 0;
  let mostAtOnce = 0;
  const server = createServer(async (request, response) => {
    open++;
    mostAtOnce = Math.max(mostAtOnce, open);
    response.on("close", () => open--);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as ReceivedRequest["body"];
    requests.push({ path: request.url, headers: request.headers, body });
    const answer = answers.shift();
    if (answer?.hang) return;
    // A moment's work, so that requests sent together are open together.
    await new Promise((resolve) => setTimeout(resolve, 5));
    const data = body.input.map((text, index) => ({ object: "embedding", index, embedding: vectorOf(text) }));
    response.writeHead(answer?.status ?? 200, { "content-type": "application/json", ...answer?.headers });
    response.end(
      typeof answer?.body === "string"
        ? answer.body
        : JSON.stringify(answer?.body ?? { object: "list", data, model: body.model, usage: { prompt_tokens: 1, total_tokens: 1 } }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    mostAtOnce: () => mostAtOnce,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
