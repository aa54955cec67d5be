/**
 * Replays any golden file of Orion-MSP by what it says of itself.
 *
 * @module
 */
import type { Device } from "../../sdk/device/mod.ts";
import { readSafetensors, type SafetensorsFile } from "../../sdk/weights/safetensors.ts";
import type { Check } from "../../sdk/golden/check.ts";
import { replayEnsemble } from "./replay_ensemble.ts";
import { replayModel } from "./replay_model.ts";
import { replayPreprocess } from "./replay_preprocess.ts";
import { type EnsembleGolden, replayEnsembles, replayRng, type RngGolden } from "./replay_rng.ts";

/** Finds the weights file that a golden file names. */
export type FindWeights = (name: string) => Promise<Uint8Array>;

/**
 * Replays a safetensors file whose `params.slug` is `orion-msp`.
 *
 * @param params The parsed metadata key `params`.
 * @returns One check per comparison; none for a file that is weights alone.
 * @throws RangeError for a kind that is not known.
 */
export async function replayOrion(
  device: Device,
  file: SafetensorsFile,
  params: Record<string, unknown>,
  findWeights: FindWeights,
): Promise<Check[]> {
  const kind = params["kind"];
  if (kind === "weights") return [];
  if (kind === "preprocess") return replayPreprocess(file, params);
  if (kind === "model") {
    return await replayModel(device, file, params as unknown as Parameters<typeof replayModel>[2]);
  }
  if (kind !== "e2e" && kind !== "trained") {
    throw new RangeError(`Cannot replay a golden file of kind "${String(kind)}"`);
  }
  const named = params["weights"];
  const weights = typeof named === "string" ? readSafetensors(await findWeights(named)) : undefined;
  const config = params["config"] ?? JSON.parse(weights?.metadata["config"] ?? "null");
  return await replayEnsemble(
    device,
    file,
    { ...params, config } as unknown as Parameters<typeof replayEnsemble>[2],
    weights,
  );
}

/** Replays `rng.json` or `ensembles.json`; undefined for a file of another name. */
export function replayOrionJson(name: string, text: string): Check[] | undefined {
  if (name === "rng.json") return replayRng(JSON.parse(text) as RngGolden);
  if (name === "ensembles.json") return replayEnsembles(JSON.parse(text) as EnsembleGolden[]);
  return undefined;
}
