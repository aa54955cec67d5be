/** Imports onnxruntime-web and creates a session for the model in the given folder. */
import { readFileSync } from "node:fs";
import process from "node:process";
import * as ort from "onnxruntime-web";

ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(`${process.argv[2]}/matmul.onnx`)), { executionProviders: ["wasm"] });
console.log(session.inputNames);
