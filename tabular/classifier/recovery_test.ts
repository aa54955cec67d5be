import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { mortal, type MortalBackend } from "../../sdk/device/_mortal_test_backend.ts";
import { createDevice, type Device, DeviceLostError, OutOfMemoryError } from "../../sdk/device/mod.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../sdk/testing/assert.ts";
import { openWasm } from "../../wasm/mod.ts";
import { OrionMSP, OrionMSPClassifier } from "../mod.ts";

const official = new Uint8Array(
  readFileSync(new URL("../testdata/trained-tiny-weights.safetensors", import.meta.url)),
);

const X = Array.from({ length: 18 }, (_, i) => [i % 3 + i / 100, i % 2 ? "odd" : "even", i % 5]);
const y = X.map((_, i) => "abc"[i % 3]!);
const asked = X.slice(0, 4);

/** A device and all backends that it had. */
interface Mortals {
  readonly device: Device;
  readonly made: MortalBackend[];
}

/** A device whose backends die after so many calls, one after another; after the last nothing opens. */
async function openMortals(
  lives: readonly number[],
  options: { quiet?: boolean; recover?: boolean } = {},
): Promise<Mortals> {
  const { quiet = false, recover = true } = options;
  const made: MortalBackend[] = [];
  const next = async (): Promise<MortalBackend> => {
    const after = lives[made.length];
    if (after === undefined) throw new Error("no device is left");
    const { backend } = await openWasm({ variant: "simd", threads: 1 });
    made.push(mortal(backend, { after, quiet }));
    return made.at(-1)!;
  };
  return { device: createDevice(await next(), [], recover ? next : undefined), made };
}

/** Runs with a classifier and checks that it leaves nothing behind, neither on the last device nor on those before. */
async function withMortals(
  lives: readonly number[],
  run: (clf: OrionMSPClassifier, mortals: Mortals) => Promise<void>,
  options: { quiet?: boolean; recover?: boolean; weights?: Uint8Array } = {},
): Promise<void> {
  const { weights, ...rest } = options;
  const mortals = await openMortals(lives, rest);
  const { device, made } = mortals;
  const clf = await OrionMSPClassifier.load({ device, nEstimators: 2, ...(weights && { weights }) });
  try {
    await run(clf, mortals);
  } finally {
    clf.dispose();
    assertEquals([device.report.bytes, device.report.tensors, made.at(-1)!.buffers], [0, 0, 0]);
    device.dispose();
    assert(made.every(({ disposed }) => disposed));
  }
}

describe("OrionMSPClassifier on a device that is lost", () => {
  let expected: number[][];
  let context: Uint8Array;
  /** Calls of the backend until the weights are loaded, the table is fitted, the rows are predicted. */
  let calls: { load: number; fit: number; predict: number };

  before(async () => {
    await withMortals([Infinity], async (clf, { made: [backend] }) => {
      const load = backend!.calls;
      await clf.fit(X, y);
      const fit = backend!.calls;
      expected = await clf.predictProba(asked);
      calls = { load, fit, predict: backend!.calls };
      context = await clf.save();
    });
  });

  for (const quiet of [false, true]) {
    test(`finishes fit and predict wherever the loss comes${quiet ? ", silently" : ""}`, async () => {
      const from = calls.load;
      for (let i = 0; i <= 8; i++) {
        const life = Math.min(calls.predict - 1, from + Math.round(i / 8 * (calls.predict - from)));
        await withMortals([life, Infinity], async (clf, { device }) => {
          await clf.fit(X, y);
          assertEquals(await clf.predictProba(asked), expected, `after ${life} calls`);
          assertEquals(device.generation, 1);
        }, { quiet });
      }
    });
  }

  test("finishes when the device is lost again and again, also on the way back", async () => {
    const lives = [calls.fit + 1, calls.load - 1, calls.load + 3, calls.predict - 1, Infinity];
    await withMortals(lives, async (clf, { device }) => {
      await clf.fit(X, y);
      assertEquals(await clf.predictProba(asked), expected);
      assertEquals(device.generation, 4);
    });
  });

  test("loads its weights although the device is lost meanwhile", () =>
    withMortals([calls.load >> 1, Infinity], async (clf, { device }) => {
      assertEquals(device.generation, 1);
      await clf.fit(X, y);
      assertEquals(await clf.predictProba(asked), expected);
    }));

  test("saves the context that it fitted before", () =>
    withMortals([calls.predict, Infinity], async (clf, { made }) => {
      await clf.fit(X, y);
      made[0]!.die();
      assertEquals(await clf.save(), context);
      assertEquals(await clf.predict(asked), ["a", "b", "c", "a"]);
    }));

  test("answers from a restored context, also when it was lost while idle", async () => {
    const { device, made } = await openMortals([Infinity, Infinity, Infinity]);
    const clf = await OrionMSPClassifier.restore(context, { device });
    for (const generation of [0, 1, 2]) {
      assertEquals(await clf.predictProba(asked), expected);
      assertEquals(device.generation, generation);
      made.at(-1)!.die();
    }
    clf.dispose();
    device.dispose();
  });

  for (const quiet of [false, true]) {
    test(`restores a context wherever the loss comes${quiet ? ", silently" : ""}`, async () => {
      let end = 0;
      await withMortals([Infinity], async (_clf, { device, made: [backend] }) => {
        (await OrionMSPClassifier.restore(context, { device })).dispose();
        end = backend!.calls;
      });
      for (let i = 0; i < 8; i++) {
        // Both classifiers loaded the weights.
        const life = Math.round(calls.load + i / 8 * (end - 2 * calls.load));
        const { device } = await openMortals([life, Infinity], { quiet });
        const clf = await OrionMSPClassifier.restore(context, { device });
        assertEquals(await clf.predictProba(asked), expected, `after ${life} calls`);
        clf.dispose();
        assertEquals(device.report.bytes, 0);
        device.dispose();
      }
    });
  }

  test("finishes the calls of all its forks, which load the weights once", () =>
    withMortals([calls.fit + 5, Infinity], async (clf, { device, made }) => {
      const forks = [clf.fork(), clf.fork()];
      try {
        const answers = forks.map(async (fork) => {
          await fork.fit(X, y);
          return await fork.predictProba(asked);
        });
        assertEquals(await Promise.all(answers), [expected, expected]);
        assertEquals([device.generation, made[1]!.calls], [1, 2 * calls.predict - calls.load]);
      } finally {
        for (const fork of forks) fork.dispose();
      }
      await clf.fit(X, y);
      const { bytes } = device.report;
      await withMortals([Infinity], async (other, { device: fresh }) => {
        await other.fit(X, y);
        assertEquals(bytes, fresh.report.bytes);
      });
    }));

  test("notices that another classifier has the device recovered", async () => {
    const { device, made } = await openMortals([Infinity, Infinity]);
    const [one, two] = [
      await OrionMSPClassifier.load({ device, nEstimators: 2 }),
      await OrionMSPClassifier.restore(context, { device }),
    ];
    await one.fit(X, y);
    made[0]!.die();
    assertEquals(await one.predictProba(asked), expected);
    assertEquals(await two.predictProba(asked), expected);
    assertEquals(device.generation, 1);
    two.dispose();
    one.dispose();
    assertEquals(device.report.bytes, 0);
    device.dispose();
  });

  test("finishes the calls of official weights with the same random numbers", async () => {
    let before: number[][] = [];
    let life = 0;
    await withMortals([Infinity], async (clf, { made }) => {
      await clf.fit(X, y);
      life = made[0]!.calls + 40;
      before = await clf.predictProba(asked);
    }, { weights: official });
    await withMortals([life, Infinity], async (clf, { device }) => {
      await clf.fit(X, y);
      assertEquals(await clf.predictProba(asked), before);
      assertEquals(device.generation, 1);
    }, { weights: official });
  });

  test("throws DeviceLostError when recovery is off, and again at every later call", () =>
    withMortals([calls.fit + 3], async (clf, { device }) => {
      await clf.fit(X, y);
      for (const _ of [1, 2]) {
        await assertRejects(() => clf.predict(asked), DeviceLostError, "The test lost this device");
      }
      await assertRejects(() => clf.save(), DeviceLostError);
      await assertRejects(() => clf.fit(X, y), DeviceLostError);
      assertEquals([clf.classes, device.generation], [["a", "b", "c"], 0]);
    }, { recover: false }));

  test("throws DeviceLostError when no device is left", () =>
    withMortals([calls.fit + 3, calls.load + 3], async (clf, { device }) => {
      await clf.fit(X, y);
      await assertRejects(() => clf.predict(asked), DeviceLostError, "no device is left");
      assertEquals(device.generation, 1);
    }));

  test("throws the signal's reason when it is aborted during the recovery, and answers later", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const { backend } = await openWasm({ variant: "simd", threads: 1 });
    const first = mortal(backend);
    const device = createDevice(first, [], async () => {
      controller.abort(reason);
      await Promise.resolve();
      return (await openWasm({ variant: "simd", threads: 1 })).backend;
    });
    const clf = await OrionMSPClassifier.load({ device, nEstimators: 2 });
    await clf.fit(X, y);
    first.die();
    const { signal } = controller;
    assertStrictEquals(await assertRejects(() => clf.predict(asked, { signal }), Error), reason);
    assertEquals(await clf.predictProba(asked), expected);
    clf.dispose();
    assertEquals([device.generation, device.report.bytes], [1, 0]);
    device.dispose();
  });

  test("loads its weights again after they did not fit", async () => {
    const { backend } = await openWasm({ variant: "simd", threads: 1 });
    const first = mortal(backend);
    let full = true;
    const device = createDevice(first, [], async () => {
      const next = mortal((await openWasm({ variant: "simd", threads: 1 })).backend);
      const flush = (): Promise<void> =>
        full ? Promise.reject(new OutOfMemoryError("full", { requested: 1, held: 2 })) : next.flush();
      return Object.create(next, { flush: { value: flush } });
    });
    const clf = await OrionMSPClassifier.restore(context, { device });
    first.die();
    await assertRejects(() => clf.predict(asked), OutOfMemoryError);
    assertEquals(device.report.bytes, 0);
    full = false;
    assertEquals(await clf.predictProba(asked), expected);
    clf.dispose();
    assertEquals([device.generation, device.report.bytes], [1, 0]);
    device.dispose();
  });

  test("frees a context that was made again after its disposal", async () => {
    await withMortals([Infinity, Infinity], async (clf, { device, made }) => {
      const fork = clf.fork();
      await fork.fit(X, y);
      made[0]!.die();
      const answer = fork.predict(asked);
      while (device.report.tensors === 0 || device.generation === 0) {
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      fork.dispose();
      await assertRejects(() => answer, Error);
    });
  });
});

describe("OrionMSP on a device that is lost", () => {
  let mortals: Mortals;
  before(async () => {
    mortals = await openMortals([Infinity, Infinity]);
  });
  after(() => mortals.device.dispose());

  test("throws DeviceLostError until it is made again", async () => {
    const { device, made } = mortals;
    const table: [number[][][], number[][]] = [[[[0, 1], [1, 0], [0, 1]]], [[0, 1]]];
    const model = await OrionMSP.fromSafetensors(official, { device });
    const { data } = await model.forward(...table);
    made[0]!.die();
    await assertRejects(() => model.forward(...table), DeviceLostError);
    await device.recover();
    await assertRejects(() => model.forward(...table), DeviceLostError, "make it again");
    model.dispose();
    const again = await OrionMSP.fromSafetensors(official, { device });
    assertEquals((await again.forward(...table)).data, data);
    again.dispose();
    assertEquals([device.report.bytes, device.report.tensors], [0, 0]);
  });
});
