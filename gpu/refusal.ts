/**
 * Whether there is a GPU worth opening, found out without a device and without loading kernels.
 *
 * @module
 */
import { findAdapter } from "./adapter.ts";
import { findGPU } from "./runtime.ts";

/** What was found out, by whether software will do: it stays so while the process lives, and asking costs up to 0.1 s. */
const known = new Map<boolean, Promise<string | undefined>>();

/**
 * Says why no GPU is to be opened.
 *
 * @param options `software`: a software GPU will do.
 * @returns The reason as a sentence, or `undefined` if there is an adapter to try.
 */
export function refusalOfGPU(
  { software = false }: { readonly software?: boolean } = {},
): Promise<string | undefined> {
  const refusal = known.get(software) ?? ask(software);
  known.set(software, refusal);
  return refusal;
}

async function ask(software: boolean): Promise<string | undefined> {
  try {
    await findAdapter(await findGPU(), software);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
