/**
 * A thread of {@linkcode streamRoof}: reads for as many milliseconds as it is told.
 *
 * @module
 */
import { streamRead } from "./stream_roof.ts";

const scope = globalThis as unknown as { onmessage: unknown; postMessage: (speed: number) => void };
scope.onmessage = async ({ data }: { data: number }) => scope.postMessage(await streamRead(data));
