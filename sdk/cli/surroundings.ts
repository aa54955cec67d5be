import process from "node:process";
import manifest from "../../package.json" with { type: "json" };

/** Where the program runs. */
export interface Surroundings {
  /** Filigree's version. */
  readonly filigree: string;
  /** The runtime and its version. */
  readonly runtime: string;
  /** The operating system and the processor's architecture. */
  readonly system: string;
  /** Processors that the runtime sees. */
  readonly cores: number;
}

/**
 * Tells where the program runs, as far as that needs no permission.
 *
 * @returns What there is to say.
 */
export function surroundings(): Surroundings {
  const { deno, bun, node } = process.versions as Readonly<Record<string, string | undefined>>;
  return {
    filigree: manifest.version,
    runtime: deno ? `Deno ${deno}` : bun ? `Bun ${bun}` : `Node ${node}`,
    system: `${process.platform} ${process.arch}`,
    cores: globalThis.navigator?.hardwareConcurrency ?? 1,
  };
}
