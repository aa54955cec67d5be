import {
  add,
  concat,
  type Device,
  gather,
  matmul,
  reshape,
  scoped,
  slice,
  type Tensor,
  unary,
} from "../device/mod.ts";
import { random } from "../testing/random.ts";
import type { LanguageModel, LanguageModelConfig, Sequence } from "./language_model.ts";
import type { TextStream } from "./text_stream.ts";
import type { Tokenizer } from "./tokenizer.ts";

const WIDTH = 8;

/** A tokenizer for tests: id i is letter i; what follows "|" is held back until the next letter. */
export function letters(alphabet: string): Tokenizer {
  const decode = (ids: ArrayLike<number>): string => Array.from(ids, (id) => alphabet[id]!).join("");
  return {
    vocabSize: alphabet.length,
    specialIds: new Map(),
    encode: (text) => Int32Array.from(text, (letter) => alphabet.indexOf(letter)),
    decode,
    guard: (text) => text,
    stream(): TextStream {
      let held = "";
      return {
        push(ids): string {
          const text = held + decode(ids);
          held = text.endsWith("|") ? "|" : "";
          return held === "" ? text : text.slice(0, -1);
        },
        end: () => held,
      };
    },
  };
}

/** A sequence for tests: the state after each of its tokens. */
class FakeSequence implements Sequence {
  readonly states: Tensor[];
  readonly #onDispose: () => void;
  disposed = false;

  constructor(states: Tensor[], onDispose: () => void) {
    this.states = states;
    this.#onDispose = onDispose;
  }

  get length(): number {
    return this.states.length;
  }

  get bytes(): number {
    return this.states.length * WIDTH * 4;
  }

  truncate(length: number): void {
    if (this.disposed) throw new Error("Cannot truncate a sequence that is disposed");
    for (const state of this.states.splice(length)) state.dispose();
  }

  fork(): FakeSequence {
    const copies = this.states.map((state) => slice(state.device, state, 0, 0));
    return new FakeSequence(copies, this.#onDispose);
  }

  dispose(): void {
    if (this.disposed) return;
    this.truncate(0);
    this.disposed = true;
    this.#onDispose();
  }
}

/** A small recurrent network of random weights as a language model, whose logits depend on every token so far. */
export class FakeModel implements LanguageModel {
  readonly config: LanguageModelConfig;
  readonly device: Device;
  readonly tokenizer: Tokenizer | undefined;
  /** Sequences that were made, and those given back. */
  made = 0;
  gone = 0;
  /** Number of sequences of every step. */
  readonly steps: number[] = [];
  /** Called before every prefill and step. */
  before: (what: "prefill" | "step") => void | Promise<void> = () => {};
  readonly #embedding: Tensor;
  readonly #mix: Tensor;
  readonly #head: Tensor;

  constructor(device: Device, config: Partial<LanguageModelConfig> & { tokenizer?: Tokenizer } = {}) {
    const { tokenizer, ...rest } = config;
    this.config = { vocabSize: 16, eosIds: [], contextLength: 200, ...rest };
    this.device = device;
    this.tokenizer = tokenizer;
    const { vocabSize } = this.config;
    const source = random(42);
    this.#embedding = device.tensor(source.normals(vocabSize * WIDTH), [vocabSize, WIDTH]);
    this.#mix = device.tensor(source.normals(WIDTH * WIDTH, 0.5), [WIDTH, WIDTH]);
    this.#head = device.tensor(source.normals(vocabSize * WIDTH), [vocabSize, WIDTH]);
  }

  sequence(): FakeSequence {
    this.made++;
    return new FakeSequence([], () => this.gone++);
  }

  async prefill(sequence: Sequence, ids: Int32Array, signal?: AbortSignal): Promise<Tensor> {
    await this.before("prefill");
    let logits: Tensor | undefined;
    for (const id of ids) {
      logits?.dispose();
      const token = this.device.tensor(Int32Array.of(id), [1]);
      logits = this.#run([sequence as FakeSequence], token);
      token.dispose();
    }
    if (signal?.aborted) logits?.dispose();
    signal?.throwIfAborted();
    return logits!;
  }

  step(sequences: readonly Sequence[], ids: Tensor): Tensor {
    void this.before("step");
    this.steps.push(sequences.length);
    return this.#run(sequences as readonly FakeSequence[], ids);
  }

  /** The likeliest tokens, computed with all of the text at every step. */
  async greedy(prompt: readonly number[], count: number): Promise<number[]> {
    const ids = [...prompt];
    while (ids.length < prompt.length + count) {
      const sequence = new FakeSequence([], () => {});
      const logits = await this.prefill(sequence, Int32Array.from(ids));
      const values = await logits.read();
      ids.push(values.indexOf(Math.max(...values)));
      logits.dispose();
      sequence.dispose();
    }
    return ids.slice(prompt.length);
  }

  #run(sequences: readonly FakeSequence[], ids: Tensor): Tensor {
    const out = scoped(this.device, (s) => {
      const rows = sequences.map(({ states }) =>
        states.at(-1) ?? s.tensor(new Float32Array(WIDTH), [1, WIDTH])
      );
      const mixed = matmul(s, concat(s, rows, 0), this.#mix);
      const next = unary(s, "tanh", add(s, mixed, reshape(s, gather(s, this.#embedding, ids), [-1, WIDTH])));
      const logits = matmul(s, next, this.#head, { alpha: 2 });
      return [logits, ...sequences.map((_, row) => slice(s, next, 0, row, row + 1))];
    });
    sequences.forEach(({ states }, row) => states.push(out[row + 1]!));
    return out[0]!;
  }
}
