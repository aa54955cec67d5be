import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { createDevice, type Device, DeviceLostError, openDevice } from "../sdk/device/mod.ts";
import { readCsv } from "../sdk/csv/mod.ts";
import { assert, assertEquals, assertRejects } from "../sdk/testing/assert.ts";
import { readSafetensors } from "../sdk/weights/safetensors.ts";
import { replayOrion } from "../tabular/conformance/replay.ts";
import { OrionMSPClassifier } from "../tabular/mod.ts";
import { changedGPU, gpu, replace } from "./_test_gpu.ts";
import type { WebGPUBackend } from "./backend.ts";
import { openWebGPU } from "./open_webgpu.ts";

/** Largest difference of a probability between two devices. */
const TOLERANCE = 1e-3;

const folder = new URL("../tabular/testdata/", import.meta.url);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)));
// The larger ones take as long as all of these together on a software GPU; `deno task conformance` replays them too.
const golden = readdirSync(folder).filter((name) => /^(tiny|filigree|e2e-iris)\b.*\.safetensors$/.test(name));

const iris = readCsv(readFileSync(new URL("../examples/data/iris.csv", import.meta.url), "utf8")).rows;
const X = iris.map((row) => row.slice(0, -1));
const y = iris.map((row) => String(row.at(-1)));
const is = (test: boolean) => (_: unknown, i: number): boolean => (i % 5 === 0) === test;
const [trainX, trainY, testX] = [X.filter(is(false)), y.filter(is(false)), X.filter(is(true))];

function assertClose(actual: readonly number[][], expected: readonly number[][]): void {
  assertEquals(actual.length, expected.length);
  const errors = expected.flatMap((row, i) => row.map((value, c) => Math.abs(value - actual[i]![c]!)));
  const worst = errors.reduce((most, error) => Math.max(most, Number.isNaN(error) ? Infinity : error), 0);
  assert(worst <= TOLERANCE, `probabilities differ by ${worst}`);
}

/** A WebGPU backend that can be made to lose its device. */
interface Mortal {
  readonly backend: WebGPUBackend;
  /** Destroys the GPU's device just before it gets the `n`-th next batch. */
  dieAt(n: number): void;
}

async function openMortal(real: GPU): Promise<Mortal> {
  let batches = 0;
  let last = Infinity;
  const changed = changedGPU(real, {
    device(device) {
      const submit = device.queue.submit.bind(device.queue);
      replace(device.queue, "submit", (commands: GPUCommandBuffer[]) => {
        if (++batches === last) device.destroy();
        submit(commands);
      });
    },
  });
  const backend = await openWebGPU({ software: true, gpu: changed });
  return {
    backend,
    dieAt(n) {
      last = batches + n;
    },
  };
}

if (gpu) describeOrion(gpu);

function describeOrion(real: GPU): void {
  describe("golden files on webgpu", () => {
    let device: Device;
    before(async () => {
      device = createDevice(await openWebGPU({ software: true, gpu: real }));
    });
    after(() => device.dispose());

    for (const name of golden) {
      test(`${name} is met on webgpu and leaves no memory behind`, async () => {
        const file = readSafetensors(read(name));
        const params = JSON.parse(file.metadata["params"]!);
        const checks = await replayOrion(device, file, params, (weights) => Promise.resolve(read(weights)));
        assert(checks.length > 3, `only ${checks.length} checks`);
        assertEquals(checks.filter((check) => !check.ok), []);
        assertEquals([device.kind, device.report.bytes, device.generation], ["webgpu", 0, 0]);
      });
    }
  });

  describe("OrionMSPClassifier on webgpu", () => {
    let expected: number[][];
    let context: Uint8Array;
    before(async () => {
      const wasm = await openDevice({ prefer: "wasm" });
      const classifier = await OrionMSPClassifier.load({ device: wasm, nEstimators: 2 });
      await classifier.fit(trainX, trainY);
      expected = await classifier.predictProba(testX);
      context = await classifier.save();
      classifier.dispose();
      wasm.dispose();
    });

    /** Runs with a fitted classifier on devices that die as planned: before the n-th batch after they are armed. */
    async function withMortals(
      deaths: readonly number[],
      run: (classifier: OrionMSPClassifier, device: Device, made: readonly Mortal[]) => Promise<void>,
      recover = true,
    ): Promise<void> {
      const made: Mortal[] = [];
      const next = async (): Promise<WebGPUBackend> => {
        made.push(await openMortal(real));
        // The first one lives until the classifier is there.
        const death = deaths[made.length - 1];
        if (made.length > 1 && death !== undefined) made.at(-1)!.dieAt(death);
        return made.at(-1)!.backend;
      };
      const device = createDevice(await next(), [], recover ? next : undefined);
      const classifier = await OrionMSPClassifier.restore(context, { device });
      try {
        if (deaths[0] !== undefined) made[0]!.dieAt(deaths[0]);
        await run(classifier, device, made);
      } finally {
        classifier.dispose();
        assertEquals([device.report.bytes, device.report.tensors], [0, 0]);
        device.dispose();
      }
    }

    test("fits, predicts, saves and restores as on wasm", async () => {
      const device = createDevice(await openWebGPU({ software: true, gpu: real }));
      const classifier = await OrionMSPClassifier.load({ device, nEstimators: 2 });
      await classifier.fit(trainX, trainY);
      const own = await classifier.predictProba(testX);
      assertClose(own, expected);
      const again = await OrionMSPClassifier.restore(await classifier.save(), { device });
      assertClose(await again.predictProba(testX), own);
      const foreign = await OrionMSPClassifier.restore(context, { device });
      assertClose(await foreign.predictProba(testX), expected);
      for (const each of [classifier, again, foreign]) each.dispose();
      assertEquals([device.kind, device.report.bytes, device.report.tensors], ["webgpu", 0, 0]);
      device.dispose();
    });

    test("finishes predict on the next device when the GPU's is destroyed in the middle", () =>
      withMortals([2], async (classifier, device, made) => {
        assertClose(await classifier.predictProba(testX), expected);
        assertEquals([device.generation, made.length], [1, 2]);
        assert(made[0]!.backend.lost instanceof DeviceLostError);
      }));

    test("finishes predict when the next device is destroyed as well", () =>
      withMortals([2, 3], async (classifier, device, made) => {
        assertClose(await classifier.predictProba(testX), expected);
        assertEquals([device.generation, made.length], [2, 3]);
      }));

    test("throws DeviceLostError when the GPU's device is destroyed and recovery is off", () =>
      withMortals([2], async (classifier, device) => {
        await assertRejects(() => classifier.predictProba(testX), DeviceLostError);
        await assertRejects(() => classifier.predictProba(testX), DeviceLostError);
        assertEquals(device.generation, 0);
      }, false));
  });
}
