/**
 * What a kernel is, and what it means to run one.
 *
 * @module
 */
import { type Constants, expandTemplate } from "./template.ts";

/** A WGSL program with named bindings and parameters. */
export interface Kernel {
  /** Its name, as in its file's. */
  readonly name: string;
  /** WGSL with directives; declares the bindings, in the order of `bindings`. */
  readonly source: string;
  /** Storage bindings from number 0 on. The parameters `p: Params` follow behind them. */
  readonly bindings: Readonly<Record<string, "read" | "write">>;
  /** Numbers that each run gets: `u` unsigned, `f` float. */
  readonly params: Readonly<Record<string, "u" | "f">>;
}

/** Bytes of a buffer. */
export interface Window {
  /** Number of the buffer; 0 stands for nothing. */
  readonly id: number;
  /** First byte; a multiple of {@linkcode ALIGNMENT}. */
  readonly offset: number;
  /** How many. */
  readonly bytes: number;
}

/** One run of a kernel. */
export interface Dispatch {
  readonly kernel: Kernel;
  /** What picks the variant. */
  readonly constants: Constants;
  /** What is bound, in the order of the kernel's bindings. */
  readonly bind: readonly Window[];
  /** By the names of the kernel's parameters. */
  readonly params: Readonly<Record<string, number>>;
  /** Number of workgroups; folded into two dimensions when it is run. */
  readonly groups: number;
}

/** What an adapter can do, as far as kernels ask. */
export interface Caps {
  /** Bytes of the largest binding. */
  readonly maxBinding: number;
  /** Bytes that a workgroup may share. */
  readonly workgroupBytes: number;
  /** Threads of the largest workgroup. */
  readonly invocations: number;
  /** Whether kernels may use 16-bit floats. */
  readonly f16: boolean;
  /** Whether kernels may use subgroup operations. */
  readonly subgroups: boolean;
}

/** What a kernel's file needs to turn an operation into dispatches. */
export interface Context {
  readonly caps: Caps;
  /** A buffer that lives until the operation is queued. */
  scratch(bytes: number): number;
}

/** Bindings begin at multiples of so many bytes. */
export const ALIGNMENT = 256;

/** Threads of a workgroup, where a kernel has no reason for another number. */
export const THREADS = 256;

/** Stands for a tensor that is not there. */
export const NOTHING: Window = { id: 0, offset: 0, bytes: 0 };

/** The smallest power of two that is not below a number: rows that halve until one is left want so many. */
export function powerOfTwo(n: number): number {
  return 2 ** Math.ceil(Math.log2(n));
}

/** Name of the variant that some constants pick. */
export function variantOf(kernel: Kernel, constants: Constants): string {
  return Object.entries(constants).reduce((name, [key, value]) => `${name} ${key}=${value}`, kernel.name);
}

/**
 * The complete WGSL of a variant: extensions, constants, parameters, and the kernel's own text.
 *
 * @param constants `F16` and `SUBGROUPS` also switch the extensions on.
 */
export function sourceOf(kernel: Kernel, constants: Constants): string {
  const names = Object.entries(kernel.params);
  const header = [
    constants["F16"] ? "enable f16;" : "",
    constants["SUBGROUPS"] ? "enable subgroups;" : "",
    ...Object.entries(constants).map(([name, value]) => `const ${name}: u32 = ${value}u;`),
    "struct Params {",
    ...names.map(([name, type]) => `  ${name}: ${type === "u" ? "u32" : "f32"},`),
    "}",
    `@group(0) @binding(${Object.keys(kernel.bindings).length}) var<uniform> p: Params;`,
    "/// Where a workgroup is, and which of its threads this is: the same for all of them, and not the same.",
    "struct Place {",
    "  @builtin(workgroup_id) group: vec3u,",
    "  @builtin(num_workgroups) groups: vec3u,",
    "}",
    "struct Lane {",
    "  @builtin(local_invocation_index) local: u32,",
    constants["SUBGROUPS"] ? "  @builtin(subgroup_size) width: u32," : "",
    "}",
    "/// Number of the thread's workgroup; they come folded into two dimensions.",
    "fn number_of(at: Place) -> u32 { return at.group.x + at.group.y * at.groups.x; }",
  ];
  return `${header.filter((line) => line !== "").join("\n")}\n${expandTemplate(kernel.source, constants)}`;
}

/**
 * Folds workgroups into two dimensions of at most 65,535.
 *
 * @returns Sizes whose product is at least `groups`; kernels ignore what is too much.
 */
export function foldGroups(groups: number): [x: number, y: number] {
  const y = Math.ceil(groups / 65_535);
  return [Math.ceil(groups / y), y];
}

/** Writes parameters as 32-bit words in the kernel's order. */
export function writeParams(
  kernel: Kernel,
  params: Dispatch["params"],
  view: DataView,
  offset: number,
): void {
  let at = offset;
  for (const name in kernel.params) {
    const value = params[name]!;
    if (kernel.params[name] === "u") view.setUint32(at, value, true);
    else view.setFloat32(at, value, true);
    at += 4;
  }
}
