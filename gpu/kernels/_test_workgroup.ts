/**
 * What the WGSL of a variant asks of an adapter, for tests without one.
 *
 * @module
 */

/** What a workgroup takes. */
export interface Workgroup {
  readonly threads: number;
  /** Bytes that its threads share. */
  readonly bytes: number;
}

const BYTES: Readonly<Record<string, number>> = {
  f32: 4,
  u32: 4,
  i32: 4,
  "atomic<u32>": 4,
  "atomic<i32>": 4,
  vec2u: 8,
  vec2f: 8,
  vec4u: 16,
  vec4f: 16,
};

/** Reads it from complete WGSL. */
export function workgroupOf(source: string): Workgroup {
  const constants = new Map<string, number>();
  for (const [, name, value] of source.matchAll(/^const (\w+): u32 = (.+);$/gm)) {
    constants.set(name!, evaluate(value!, constants));
  }
  const aliases = new Map(
    [...source.matchAll(/^alias (\w+) = (\w+);$/gm)].map(([, name, type]) => [name, type]),
  );
  const bytesOf = (type: string): number => {
    const [, element, count] = /^array<(.+), ([^,]+)>$/.exec(type) ?? [];
    if (element !== undefined) return bytesOf(element) * evaluate(count!, constants);
    const bytes = BYTES[aliases.get(type) ?? type];
    if (bytes === undefined) throw new SyntaxError(`Cannot tell the bytes of "${type}"`);
    return bytes;
  };
  const shared = [...source.matchAll(/^var<workgroup> \w+: (.+);$/gm)].map(([, type]) => bytesOf(type!));
  const [, threads] = /@workgroup_size\(([^,]+?)\)\n/.exec(source) ?? [];
  if (threads === undefined) {
    throw new SyntaxError("Cannot tell the threads of a kernel without @workgroup_size");
  }
  return { threads: evaluate(threads, constants), bytes: shared.reduce((sum, bytes) => sum + bytes, 0) };
}

/** A sum of products of unsigned numbers, constants and parentheses. */
function evaluate(text: string, constants: ReadonlyMap<string, number>): number {
  const words = text.match(/\w+|[-+*/()]/g) ?? [];
  let at = 0;
  const atom = (): number => {
    const word = words[at++]!;
    if (word === "(") {
      const value = sum();
      at++;
      return value;
    }
    const value = /^\d+u?$/.test(word) ? parseInt(word) : constants.get(word);
    if (value === undefined) throw new SyntaxError(`Cannot evaluate "${text}": "${word}" is not known`);
    return value;
  };
  const product = (): number => {
    let value = atom();
    while (words[at] === "*" || words[at] === "/") {
      value = words[at++] === "*" ? value * atom() : Math.floor(value / atom());
    }
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (words[at] === "+" || words[at] === "-") {
      value = words[at++] === "+" ? value + product() : value - product();
    }
    return value;
  };
  return sum();
}
