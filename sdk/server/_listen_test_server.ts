/** A server for tests, listening on a free port. */
export interface Listening {
  /** Its address, without a slash at the end. */
  url: string;
  /** Stops it and closes its connections. */
  close(): Promise<void>;
}

type Fetch = (request: Request) => Response | Promise<Response>;

interface Runtimes {
  Deno?: {
    serve(options: { port: number; hostname: string; onListen(): void }, fetch: Fetch): {
      addr: { port: number };
      shutdown(): Promise<void>;
    };
  };
  Bun?: {
    serve(
      options: { port: number; hostname: string; fetch: Fetch },
    ): { port: number; stop(force: boolean): Promise<void> };
  };
}

/**
 * Serves with the runtime's own server.
 *
 * @param fetch The handler.
 * @returns The server.
 */
export function listen(fetch: Fetch): Listening {
  const { Deno, Bun } = globalThis as unknown as Runtimes;
  const hostname = "127.0.0.1";
  if (Bun) {
    const server = Bun.serve({ port: 0, hostname, fetch });
    return { url: `http://${hostname}:${server.port}`, close: () => server.stop(true) };
  }
  if (!Deno) throw new Error("Cannot serve: expected Deno or Bun");
  const server = Deno.serve({ port: 0, hostname, onListen() {} }, fetch);
  return { url: `http://${hostname}:${server.addr.port}`, close: () => server.shutdown() };
}
