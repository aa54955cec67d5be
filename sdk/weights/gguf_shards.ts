/**
 * A GGUF model in one file or in several, NAME-00001-of-00003.gguf and so on.
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import { type GgufModel, openGguf } from "./gguf.ts";
import type { WeightFiles } from "./source.ts";
import { tensorOf } from "./store.ts";

const NUMBERED = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/s;

/**
 * Opens a model.
 *
 * @param files Where the files are.
 * @param name The file, or the first of the files.
 * @returns One model of all tensors, with the metadata of the first file.
 * @throws WeightsError if a file is missing, is not what its number says, or has a tensor that another file has, too.
 */
export async function openGgufModel(files: WeightFiles, name: string): Promise<GgufModel> {
  const [, stem, number, total] = NUMBERED.exec(name) ?? [];
  if (number !== undefined && (Number(number) !== 1 || Number(total) === 0)) {
    throw new WeightsError(
      `Cannot open "${name}": it is part ${Number(number)} of ${Number(total)}, expected part 1 of 1 or more`,
    );
  }
  const parts: GgufModel[] = [];
  try {
    const count = total === undefined ? 1 : Number(total);
    for (let i = 0; i < count; i++) {
      parts.push(await openPart(files, i === 0 ? name : `${stem}-${pad(i + 1)}-of-${total}.gguf`, i, count));
    }
    return joined(name, parts);
  } catch (error) {
    await closeAll(parts);
    throw error;
  }
}

async function openPart(files: WeightFiles, name: string, index: number, count: number): Promise<GgufModel> {
  const source = await files.open(name);
  if (source === undefined) {
    const part = count === 1 ? "" : `, part ${index + 1} of ${count} of the model`;
    throw new WeightsError(`Cannot open "${name}"${part}: there is no such file`);
  }
  try {
    const model = await openGguf(source);
    const says = model.metadata.number("split.count") || 1;
    if (says !== count) {
      throw new WeightsError(
        `Cannot open "${name}": it is of a model of ${says} files, expected ${count} by its name`,
      );
    }
    const no = model.metadata.number("split.no") ?? 0;
    if (no !== index) {
      throw new WeightsError(
        `Cannot open "${name}": the parts are out of order, it is part ${no + 1}, expected ${index + 1}`,
      );
    }
    return model;
  } catch (error) {
    await source.close?.();
    throw error;
  }
}

function joined(name: string, parts: readonly GgufModel[]): GgufModel {
  const [first] = parts as [GgufModel];
  const tensors = new Map(first.tensors);
  const home = new Map([...first.tensors.keys()].map((tensor) => [tensor, first]));
  for (const part of parts.slice(1)) {
    for (const [tensor, entry] of part.tensors) {
      if (tensors.has(tensor)) {
        throw new WeightsError(
          `Cannot open "${name}": tensor ${JSON.stringify(tensor)} is in more than one of its files`,
        );
      }
      tensors.set(tensor, entry);
      home.set(tensor, part);
    }
  }
  const expected = first.metadata.number("split.tensors.count") ?? tensors.size;
  if (expected !== tensors.size) {
    throw new WeightsError(
      `Cannot open "${name}": its files have ${tensors.size} tensors, expected ${expected}`,
    );
  }
  const homeOf = (tensor: string): GgufModel => home.get(tensorOf(tensors, tensor).name)!;
  return {
    version: first.version,
    metadata: first.metadata,
    tensors,
    floats: async (tensor, rows) => await homeOf(tensor).floats(tensor, rows),
    weight: async (tensor, form) => await homeOf(tensor).weight(tensor, form),
    close: () => closeAll(parts),
  };
}

async function closeAll(parts: readonly GgufModel[]): Promise<void> {
  for (const part of parts) await part.close();
}

function pad(number: number): string {
  return String(number).padStart(5, "0");
}
