/** Restores the context of iris in the given folder and predicts one row. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { OrionMSPClassifier } from "../tabular/mod.ts";

const clf = await OrionMSPClassifier.restore(new Uint8Array(readFileSync(`${process.argv[2]}/iris.context`)));
console.log(await clf.predict([[5.1, 3.5, 1.4, 0.2]]));
clf.dispose();
