import { connect, type Socket } from "node:net";

/** A connection for tests of what proper clients never send. */
export interface RawClient {
  /** The connection. */
  readonly socket: Socket;
  /** Everything that came so far. */
  readonly received: string;
  /** Sends text. */
  send(text: string): void;
  /** Waits until what came matches. @throws {Error} If that takes too long. */
  until(pattern: RegExp, ms?: number): Promise<string>;
  /** Resolves when the server ended the connection. */
  readonly closed: Promise<void>;
  /** Ends it at once. */
  destroy(): void;
}

/**
 * Connects to a server.
 *
 * @param url Its address.
 * @returns The connection.
 */
export async function rawClient(url: string): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = "";
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => received += text);
  // A server may reset a connection while it is written to.
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  await new Promise<void>((resolve) => socket.on("connect", () => resolve()));
  return {
    socket,
    get received() {
      return received;
    },
    closed,
    send: (text): void => void socket.write(text, "latin1"),
    async until(pattern, ms = 5000): Promise<string> {
      const end = performance.now() + ms;
      while (!pattern.test(received)) {
        if (performance.now() > end) throw new Error(`Got ${JSON.stringify(received)} instead of ${pattern}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return received;
    },
    destroy: (): void => void socket.destroy(),
  };
}

/**
 * Waits until something holds.
 *
 * @param holds Whether it does.
 * @param ms How long to wait.
 * @throws {Error} If it never does.
 */
export async function eventually(holds: () => boolean, ms = 5000): Promise<void> {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`Waited ${ms} ms for: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
