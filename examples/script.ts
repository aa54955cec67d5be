/**
 * The smallest script: learns a table, predicts rows that it has not seen, and saves what it learnt.
 *
 *     deno run --allow-read --allow-write examples/script.ts [FILE]        (or: bun examples/script.ts [FILE])
 *
 * Without a FILE nothing is written. A FILE that ends with `.js` becomes a module that exports the bytes, which every
 * runtime and every platform imports without a permission: `edge_function.ts` answers from the one that
 * `examples/script.ts examples/data/iris_context.js` wrote.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { OrionMSPClassifier, quantized } from "../mod.ts";
import { readCsv } from "../sdk/csv/mod.ts";

const { columns, rows } = readCsv(readFileSync(new URL("data/iris.csv", import.meta.url)));
const flowers = rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i] ?? null])));
const [X, y] = [
  flowers.map(({ species: _, ...rest }) => rest),
  flowers.map(({ species }) => String(species)),
];
const learn = (_: unknown, i: number): boolean => i % 5 > 0;
const held = (_: unknown, i: number): boolean => i % 5 === 0;

// Two members and keys of four bits make a small file; the defaults are eight members and sixteen bits.
const classifier = await OrionMSPClassifier.load({
  nEstimators: 2,
  context: { storage: quantized({ bits: 4 }) },
});
await classifier.fit(X.filter(learn), y.filter(learn));

const answers = await classifier.predict(X.filter(held));
const right = y.filter(held).filter((label, i) => label === answers[i]).length;
console.log(`${right} of ${answers.length} flowers that were held back are recognised`);

const file = process.argv[2];
if (file !== undefined) {
  const bytes = await classifier.save();
  writeFileSync(file, file.endsWith(".js") ? asModule(bytes) : bytes);
  console.log(`Wrote ${file}: ${(bytes.length / 1000).toFixed(0)} kB`);
}
classifier.dispose();

/** Base64 in a module: text that every runtime decodes. */
function asModule(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return `// Made by examples/script.ts.
const text = atob(
  "${btoa(text)}",
);
export const context = Uint8Array.from(text, (c) => c.charCodeAt(0));
`;
}
