/**
 * Turns a kernel's text into the WGSL of one variant.
 *
 * Three directives, each a comment on a line of its own, so that an editor still reads the file as WGSL:
 *
 *     //#if NAME ... //#else ... //#end      lines that stay if the constant is there and not 0; `//#if !NAME` the opposite
 *     //#for i in 0..NAME ... //#end         lines once for each number, with `$i` replaced; bounds are numbers or constants
 *     //#for c in x y z w ... //#end         the same over words
 *
 * @module
 */

/** Constants of a variant by name; they become `const NAME: u32` and steer the directives. */
export type Constants = Readonly<Record<string, number>>;

/** A block that is open: `lines` are gathered for its end. */
interface Block {
  readonly kind: "if" | "for" | "all";
  readonly lines: string[];
  /** `if`: whether lines stay. */
  keep: boolean;
  /** `for`: the name and its values. */
  readonly name: string;
  readonly values: readonly string[];
}

/**
 * Expands the directives of a text.
 *
 * @param text WGSL with directives.
 * @param constants Values of the names in them.
 * @returns WGSL.
 * @throws SyntaxError for a directive that is not known, not closed or not open.
 */
export function expandTemplate(text: string, constants: Constants): string {
  const stack: Block[] = [block("all")];
  const valueOf = (word: string): number => {
    const value = /^\d+$/.test(word) ? Number(word) : constants[word];
    if (value === undefined) {
      throw new SyntaxError(`Cannot expand a kernel: the constant "${word}" is not set`);
    }
    return value;
  };
  for (const line of text.split("\n")) {
    const [, word, rest = ""] = /^\s*\/\/#(\w+)\s*(.*?)\s*$/.exec(line) ?? [];
    const top = stack.at(-1)!;
    if (word === undefined) {
      if (top.keep) top.lines.push(line);
    } else if (word === "if") {
      const negated = rest.startsWith("!");
      const on = (constants[negated ? rest.slice(1) : rest] ?? 0) !== 0;
      stack.push({ ...block("if"), keep: on !== negated });
    } else if (word === "else" && top.kind === "if") {
      const { lines } = stack.pop()!;
      stack.push({ ...block("if"), lines, keep: !top.keep });
    } else if (word === "for") {
      const [, name, list = ""] = /^(\w+) in (.+)$/.exec(rest) ?? [];
      if (name === undefined) throw unknown(line);
      const [low, high] = list.split("..");
      const dead = stack.some(({ keep }) => !keep);
      const values = dead
        ? []
        : high === undefined
        ? list.split(/\s+/)
        : Array.from({ length: valueOf(high) - valueOf(low!) }, (_, i) => String(valueOf(low!) + i));
      stack.push({ ...block("for"), name, values });
    } else if (word === "end" && stack.length > 1) {
      const { kind, lines, name, values } = stack.pop()!;
      const below = stack.at(-1)!;
      const all = kind === "if"
        ? lines
        : values.flatMap((value) => lines.map((l) => l.replaceAll(`$${name}`, value)));
      if (below.keep) below.lines.push(...all);
    } else {
      throw unknown(line);
    }
  }
  if (stack.length > 1) throw new SyntaxError("Cannot expand a kernel: a directive is not closed by //#end");
  return stack[0]!.lines.join("\n");
}

function unknown(line: string): SyntaxError {
  return new SyntaxError(`Cannot expand a kernel: the directive "${line.trim()}" is not known here`);
}

function block(kind: Block["kind"]): Block {
  return { kind, lines: [], keep: true, name: "", values: [] };
}
