import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Stands before a server, so that a test can end its connections and take them again without ending the server. */
export interface TcpProxy {
  /** The URL given, with the proxy's host and port. */
  readonly url: string;
  /** Ends every connection, refuses new ones for `downMs`, and takes them again at the same port. */
  restart(downMs?: number): Promise<void>;
  close(): Promise<void>;
}

/** A proxy on 127.0.0.1 before the server of a URL. */
export async function tcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    return socket;
  };
  let server: Server;
  const listen = async (at: number) => {
    server = createServer((client) => {
      const upstream = keep(connect(Number(port), hostname));
      keep(client).on("close", () => upstream.destroy());
      upstream.on("close", () => client.destroy());
      client.pipe(upstream).pipe(client);
    });
    await new Promise<void>((resolve) => server.listen(at, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  };
  const end = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const ownPort = await listen(0);
  const url = new URL(target);
  url.host = `127.0.0.1:${ownPort}`;
  return {
    url: url.href.replace(/\/$/, ""),
    async restart(downMs = 300) {
      await end();
      await new Promise((resolve) => setTimeout(resolve, downMs));
      await listen(ownPort);
    },
    close: end,
  };
}
