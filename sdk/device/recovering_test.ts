import { describe, test } from "node:test";
import { assertEquals, assertRejects, assertStrictEquals } from "../testing/assert.ts";
import { mortal, type MortalBackend } from "./_mortal_test_backend.ts";
import { createDevice } from "./core_device.ts";
import type { Device } from "./device.ts";
import { DeviceLostError } from "./errors.ts";
import { unary } from "./ops/unary.ts";
import { recovering } from "./recovering.ts";
import { openReference } from "./reference/mod.ts";

/** A device whose backends die after so many calls, one after another; the last lives. */
function openDying(lives: readonly number[], quiet = false): { device: Device; made: MortalBackend[] } {
  const made: MortalBackend[] = [];
  const next = (): MortalBackend => {
    const backend = mortal(openReference(), { after: lives[made.length] ?? Infinity, quiet });
    made.push(backend);
    return backend;
  };
  return { device: createDevice(next(), [], () => Promise.resolve(next())), made };
}

/** Four operations and a read: e to the e to the ... of 0. */
async function tower(device: Device): Promise<number> {
  const scope = device.scope();
  try {
    let x = scope.tensor(new Float32Array(1), [1]);
    for (let i = 0; i < 4; i++) x = unary(scope, i < 3 ? "exp" : "log", x);
    return (await x.read())[0]!;
  } finally {
    scope.dispose();
  }
}

describe("recovering()", () => {
  for (const quiet of [false, true]) {
    test(`finishes work that lost its device at any call${quiet ? ", silently" : ""}`, async () => {
      const expected = await tower(createDevice(openReference()));
      for (let after = 0; after <= 6; after++) {
        const { device, made } = openDying([after], quiet);
        assertEquals(await recovering(device, () => tower(device)), expected);
        assertEquals([device.generation, made.length], after < 5 ? [1, 2] : [0, 1]);
        assertEquals([device.report.bytes, device.report.tensors, made.at(-1)!.buffers], [0, 0, 0]);
        device.dispose();
      }
    });
  }

  test("finishes work that lost its device again and again", async () => {
    const { device } = openDying([3, 0, 4]);
    await recovering(device, () => tower(device));
    assertEquals(device.generation, 3);
    device.dispose();
  });

  test("finishes works that lost their device together, with one recovery", async () => {
    const { device, made } = openDying([7]);
    const expected = await tower(createDevice(openReference()));
    const works = [1, 2, 3].map(() => recovering(device, () => tower(device)));
    assertEquals(await Promise.all(works), [expected, expected, expected]);
    assertEquals([device.generation, made.length], [1, 2]);
    device.dispose();
  });

  test("throws DeviceLostError when no device is left", async () => {
    const device = createDevice(mortal(openReference(), { after: 1 }));
    await assertRejects(() => recovering(device, () => tower(device)), DeviceLostError, "recovery is off");
    device.dispose();
  });

  test("throws DeviceLostError of something else that was lost, without running twice", async () => {
    const { device } = openDying([]);
    let runs = 0;
    const error = await assertRejects(() =>
      recovering(device, () => {
        runs++;
        return Promise.reject(new DeviceLostError("another"));
      }), DeviceLostError);
    assertEquals([error.message, runs, device.generation], ["another", 1, 0]);
    device.dispose();
  });

  test("throws other errors and the reason of an aborted signal", async () => {
    const { device } = openDying([0]);
    await assertRejects(() => recovering(device, () => Promise.reject(new RangeError("mine"))), RangeError);
    const reason = new Error("enough");
    const error = await assertRejects(
      () => recovering(device, () => tower(device), AbortSignal.abort(reason)),
      Error,
    );
    assertStrictEquals(error, reason);
    device.dispose();
  });
});
