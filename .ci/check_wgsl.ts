/**
 * Validates every variant of every GPU kernel without a GPU, with `naga` (cargo install naga-cli --locked --version 30.0.1).
 *
 * @module
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Variant, variants } from "../gpu/kernels/variants.ts";
import { run } from "./command.ts";

/**
 * Validates WGSL.
 *
 * @param kernels The texts.
 * @returns How many there were, and what is wrong: naga's words, with the kernel's name where the file's was.
 * @throws {Error} If naga is not installed.
 */
export async function validate(kernels: Iterable<Variant>): Promise<{ count: number; problems: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "filigree-wgsl-"));
  try {
    const names = new Set<string>();
    for (const { name, source } of kernels) {
      const file = `${name.replace(/[^\w=]+/g, "_")}.wgsl`;
      if (names.has(file)) throw new Error(`Two kernels are named "${name}"`);
      names.add(file);
      writeFileSync(join(folder, file), forNaga(source));
    }
    // All in one call, which names each file that is wrong.
    const { code, output } = await run(["naga", "--bulk-validate", ...names], { cwd: folder });
    const text = output.trim() || `naga ended with code ${code}`;
    const problems = code === 0 ? [] : text.split(/\n\s*\n(?=Error validating )/);
    return { count: names.size, problems };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Naga knows subgroup operations, but not the line that switches them on; lines keep their numbers. */
function forNaga(source: string): string {
  return source.replace(/^enable subgroups;$/m, "");
}

if (import.meta.main) {
  const { count, problems } = await validate(variants());
  console.log(problems.join("\n\n") || `${count} variants of kernels are valid`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
