import { describe, test } from "node:test";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "../testing/assert.ts";
import { mortal, type MortalBackend } from "./_mortal_test_backend.ts";
import type { Backend, DeviceKind } from "./backend.ts";
import { createDevice } from "./core_device.ts";
import type { Device } from "./device.ts";
import { DeviceLostError } from "./errors.ts";
import { unary } from "./ops/unary.ts";
import { openReference } from "./reference/mod.ts";

/** A device over mortal backends; `made` gets every one of them. */
function openMortal(
  made: MortalBackend[],
  open: () => Promise<Backend> = () => Promise.resolve(openReference()),
): Device {
  const make = (inner: Backend): MortalBackend => {
    const backend = mortal(inner);
    made.push(backend);
    return backend;
  };
  return createDevice(make(openReference()), [], async () => make(await open()));
}

describe("recover()", () => {
  test("does nothing while the device works", async () => {
    const made: MortalBackend[] = [];
    const device = openMortal(made);
    const x = device.tensor(Float32Array.of(1), [1]);
    await device.recover();
    assertEquals([device.generation, made.length, (await x.read())[0]], [0, 1, 1]);
    device.dispose();
  });

  test("opens the next backend, on which the device works as before", async () => {
    const made: MortalBackend[] = [];
    const device = openMortal(made);
    device.tensor(new Float32Array(9), [9]);
    made[0]!.die();
    assertThrows(() => device.empty([1]), DeviceLostError, "The test lost this device");
    await assertRejects(() => device.flush(), DeviceLostError);
    await device.recover();
    assertEquals([device.generation, made.length], [1, 2]);
    assertEquals([device.report.bytes, device.report.peakBytes, device.report.tensors], [0, 0, 0]);
    assertEquals(await device.tensor(Float32Array.of(4), [1]).read(), Float32Array.of(4));
    assertEquals([device.report.bytes, device.report.tensors], [4, 1]);
    device.dispose();
    assertEquals(made.map(({ disposed }) => disposed), [true, true]);
  });

  test("gives the memory of the lost backend back before the next one opens", async () => {
    const made: MortalBackend[] = [];
    let disposed: boolean | undefined;
    const device = openMortal(made, () => {
      disposed = made[0]!.disposed;
      return Promise.resolve(openReference());
    });
    made[0]!.die();
    await device.recover();
    assertEquals(disposed, true);
    device.dispose();
  });

  test("leaves what was made before lost, and disposing of it changes nothing", async () => {
    const made: MortalBackend[] = [];
    const device = openMortal(made);
    const scope = device.scope();
    const tensors = [device.tensor(new Float32Array(2), [2]), scope.empty([2])];
    const weight = scope.weight(new Float32Array(4), [2, 2]);
    made[0]!.die();
    await device.recover();
    const own = device.tensor(new Float32Array(2), [2]);
    for (const x of tensors) {
      assertEquals(x.disposed, false);
      assertThrows(() => unary(device, "exp", x), DeviceLostError, "make it again");
      assertThrows(() => device.view(x, [2, 1]), DeviceLostError, "make it again");
      await assertRejects(() => x.read(), DeviceLostError, "make it again");
    }
    assertThrows(() => weight.id, DeviceLostError);
    assertThrows(() => scope.empty([1]), DeviceLostError);
    assertThrows(() => scope.scope(), DeviceLostError);
    for (const x of [...tensors, weight, scope]) x.dispose();
    assertThrows(() => unary(device, "exp", tensors[0]!), DeviceLostError);
    assertEquals([device.report.bytes, device.report.tensors, made[1]!.buffers], [8, 1, 1]);
    own.dispose();
    assertEquals([device.report.bytes, device.report.tensors, made[1]!.buffers], [0, 0, 0]);
    device.dispose();
  });

  test("shares one opening among all who wait", async () => {
    const made: MortalBackend[] = [];
    const device = openMortal(made);
    made[0]!.die();
    await Promise.all([device.recover(), device.recover(), device.recover()]);
    assertEquals([device.generation, made.length], [1, 2]);
    device.dispose();
  });

  test("tells of every loss and its reason in the report", async () => {
    const made: MortalBackend[] = [];
    const device = openMortal(made);
    for (const _ of [1, 2]) {
      made.at(-1)!.die();
      await device.recover();
    }
    const { tried } = device.report;
    assertEquals(tried.map(({ kind, ok }) => [kind, ok]), [["reference", false], ["reference", false]]);
    assertEquals(tried[1]!.reason, "Lost while in use: The test lost this device");
    assert(tried.every(({ ms }) => ms >= 0));
    assertEquals(device.generation, 2);
    device.dispose();
  });

  test("tells the one who opens which kinds were lost so far", async () => {
    const seen: DeviceKind[][] = [];
    let current: MortalBackend = mortal(openReference());
    const device = createDevice(current, [], (lost) => {
      seen.push([...lost]);
      return Promise.resolve(current = mortal({ ...openReference(), kind: "wasm" }));
    });
    for (const kind of ["wasm", "wasm"]) {
      current.die();
      await device.recover();
      assertEquals(device.kind, kind);
    }
    assertEquals(seen, [["reference"], ["reference", "wasm"]]);
    device.dispose();
  });

  test("throws DeviceLostError with its cause when nothing opens, and may be tried again", async () => {
    const made: MortalBackend[] = [];
    const cause = new Error("no memory");
    let works = false;
    const device = openMortal(made, () => works ? Promise.resolve(openReference()) : Promise.reject(cause));
    made[0]!.die();
    for (const _ of [1, 2, 3]) {
      const error = await assertRejects(() => device.recover(), DeviceLostError, "no memory");
      assertStrictEquals(error.cause, cause);
      assertThrows(() => device.empty([1]), DeviceLostError);
    }
    assertEquals([device.report.tried.length, device.generation, device.report.bytes], [1, 0, 0]);
    works = true;
    await device.recover();
    assertEquals([device.generation, device.empty([1]).bytes], [1, 4]);
    device.dispose();
  });

  test("throws DeviceLostError when the device was made without a next one", async () => {
    const backend = mortal(openReference());
    const device = createDevice(backend);
    const x = device.empty([3]);
    backend.die();
    await assertRejects(() => device.recover(), DeviceLostError, "The test lost this device; the next");
    assertEquals([backend.disposed, device.report.bytes], [true, 0]);
    x.dispose();
    assertEquals([device.report.bytes, device.report.tensors], [0, 0]);
    device.dispose();
    await assertRejects(() => device.recover(), Error, "disposed");
  });

  test("throws the signal's reason to the one who gives up, and goes on for others", async () => {
    const made: MortalBackend[] = [];
    const opening = Promise.withResolvers<Backend>();
    const device = openMortal(made, () => opening.promise);
    made[0]!.die();
    const controller = new AbortController();
    const [mine, other] = [device.recover(controller.signal), device.recover()];
    const reason = new Error("no time");
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => mine, Error), reason);
    assertStrictEquals(await assertRejects(() => device.recover(controller.signal), Error), reason);
    opening.resolve(openReference());
    await other;
    assertEquals(device.generation, 1);
    device.dispose();
  });

  test("gives back what opens after the device was disposed of", async () => {
    const made: MortalBackend[] = [];
    const opening = Promise.withResolvers<Backend>();
    const device = openMortal(made, () => opening.promise);
    made[0]!.die();
    const recovery = device.recover();
    device.dispose();
    opening.resolve(openReference());
    await assertRejects(() => recovery, Error, "disposed meanwhile");
    assertEquals([made[1]!.disposed, device.generation], [true, 0]);
  });

  test("rejects reads that were under way when the device was lost", async () => {
    const inner = openReference();
    const late = Promise.withResolvers<ArrayBuffer>();
    const backend = mortal({ ...inner, read: () => late.promise });
    const device = createDevice(backend, [], () => Promise.resolve(openReference()));
    const reading = device.tensor(Float32Array.of(1), [1]).read();
    await Promise.resolve();
    backend.die();
    await device.recover();
    late.reject(new Error("the queue is gone"));
    const error = await assertRejects(() => reading, DeviceLostError);
    assertEquals((error.cause as Error).message, "the queue is gone");
    device.dispose();
  });
});
