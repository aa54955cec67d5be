/**
 * Builds the crate three times with wasm-pack and writes `pkg/`: each module as base64 with the hash of its sources.
 *
 * Needs Rust (stable and nightly with `wasm32-unknown-unknown`; nightly with `rust-src`), wasm-pack and wasm-bindgen-cli.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { sourcesHash } from "./check.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
/** Source order keeps the sums of a product's tile in registers; the compiler's own order runs out of them. */
const simd = "-C llvm-args=-pre-RA-sched=source -C target-feature=+simd128";
const relaxed = `${simd},+relaxed-simd`;
const tls = ["__wasm_init_tls", "__tls_size", "__tls_align", "__tls_base"].map((name) =>
  `-C link-arg=--export=${name}`
);
const threads =
  `${relaxed},+atomics,+bulk-memory,+mutable-globals -C link-arg=--shared-memory -C link-arg=--import-memory ` +
  `-C link-arg=--max-memory=4294967296 ${tls.join(" ")}`;

/** The three builds: name, compiler flags, toolchain, further arguments for cargo. */
const builds = [
  { name: "simd", flags: simd, toolchain: "stable", cargo: [] },
  { name: "relaxed", flags: relaxed, toolchain: "stable", cargo: [] },
  { name: "threads", flags: threads, toolchain: "nightly", cargo: ["-Z", "build-std=std,panic_abort"] },
];

const declaration = `/** The module's bytes in base64. */
export const wasm: string;
/** SHA-256 of the sources it was built from. */
export const hash: string;
`;

const hash = await sourcesHash();
await mkdir(join(here, "pkg"), { recursive: true });
let total = 0;
for (const { name, flags, toolchain, cargo } of builds) {
  const out = await mkdtemp(join(tmpdir(), "filigree-wasm-"));
  const remap = `--remap-path-prefix=${here}= --remap-path-prefix=${
    process.env.CARGO_HOME ?? `${process.env.HOME}/.cargo`
  }=`;
  execFileSync(
    "wasm-pack",
    [
      ...[
        "build",
        here,
        "--mode",
        "no-install",
        "--target",
        "web",
        "--release",
        "--no-typescript",
        "--out-dir",
        out,
      ],
      ...["--", "--locked", ...cargo],
    ],
    {
      stdio: "inherit",
      env: { ...process.env, RUSTUP_TOOLCHAIN: toolchain, RUSTFLAGS: `${flags} ${remap}` },
    },
  );
  const bytes = await readFile(join(out, "filigree_bg.wasm"));
  total += bytes.length;
  console.log(`${name}: ${bytes.length} bytes`);
  const text = `export const wasm = "${bytes.toString("base64")}";\nexport const hash = "${hash}";\n`;
  await writeFile(join(here, "pkg", `${name}.js`), text);
  await writeFile(join(here, "pkg", `${name}.d.ts`), declaration);
  await rm(out, { recursive: true });
}
console.log(`all: ${total} bytes`);
