import { describe, test } from "node:test";
import { fakeKernels } from "../../wasm/_fake_kernels.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "../testing/assert.ts";
import type { DeviceKind } from "./backend.ts";
import type { Device, DeviceAttempt, DeviceReport } from "./device.ts";
import { DeviceLostError } from "./errors.ts";
import { openBackend, openDevice } from "./open_device.ts";
import { fill } from "./ops/fill.ts";

describe("openDevice()", () => {
  test("opens the reference device when it is asked for", async () => {
    let reported: DeviceReport | undefined;
    const device = await openDevice({ prefer: "reference", onReport: (report) => reported = report });
    assertEquals(device.kind, "reference");
    assertEquals(reported?.tried.map(({ kind, ok }) => [kind, ok]), [["reference", true]]);
    assert(reported!.tried[0]!.ms >= 0);
    device.dispose();
  });

  test("never opens the reference device by itself", async () => {
    const attempts = await openDevice().then((device) => {
      device.dispose();
      return device.report.tried;
    }, () => []);
    assertEquals(attempts.filter(({ kind }) => kind === "reference"), []);
  });

  for (const prefer of [undefined, "webgpu"] as const) {
    test(`tries webgpu, then wasm, ${prefer ? "when webgpu is preferred" : "by itself"}`, async () => {
      const device = await openDevice(prefer ? { prefer } : {});
      const { tried } = device.report;
      assertEquals([tried[0]?.kind, tried.at(-1)?.kind, tried.at(-1)?.ok], ["webgpu", device.kind, true]);
      if (device.kind !== "webgpu") {
        assertEquals([device.kind, tried[0]?.ok], ["wasm", false]);
        assert(tried[0]!.reason.length > 10, tried[0]!.reason);
      }
      device.dispose();
    });
  }

  test("tells once why webgpu is refused, off-thread with the words of this thread", async () => {
    const reasons: string[] = [];
    for (const offThread of [false, true]) {
      const device = await openDevice({ threads: 1, offThread });
      const refused = device.report.tried.filter(({ kind, ok }) => kind === "webgpu" && !ok);
      assertEquals(refused.length, device.kind === "webgpu" ? 0 : 1);
      reasons.push(...refused.map(({ reason }) => reason));
      device.dispose();
    }
    assertEquals(reasons[0], reasons[1]);
  });

  test("tries no webgpu when wasm is preferred or a module is given", async () => {
    for (const options of [{ prefer: "wasm" }, { wasm: fakeKernels() }] as const) {
      const device = await openDevice({ threads: 1, ...options });
      assertEquals(device.report.tried.map(({ kind, ok }) => [kind, ok]), [["wasm", true]]);
      device.dispose();
    }
  });

  test("refuses a kind that does not exist", async () => {
    await assertRejects(() => openDevice({ prefer: "toString" as DeviceKind }), TypeError, "expected webgpu");
  });

  test("throws the reason of an aborted signal", async () => {
    const reason = new Error("no time");
    const error = await assertRejects(() => openDevice({ signal: AbortSignal.abort(reason) }), Error);
    assertStrictEquals(error, reason);
  });

  test("passes on an error that onReport throws", async () => {
    const onReport = (): void => {
      throw new RangeError("mine");
    };
    await assertRejects(() => openDevice({ prefer: "reference", onReport }), RangeError, "mine");
  });
});

/** Runs an operation that traps, and waits until the loss is heard of. */
async function lose(device: Device): Promise<void> {
  await assertRejects(async () => {
    const x = device.empty([4]);
    fill(device, x, 1);
    await x.read();
  }, DeviceLostError);
}

describe("openDevice() with kernels that trap", () => {
  for (const offThread of [false, true]) {
    test(`opens a kind again once, and not after the second loss${offThread ? ", off-thread" : ""}`, async () => {
      const device = await openDevice({ wasm: fakeKernels({ run: "trap" }), offThread });
      await lose(device);
      await device.recover();
      assertEquals([device.generation, device.kind, device.report.bytes], [1, "wasm", 0]);
      await lose(device);
      const error = await assertRejects(() => device.recover(), DeviceLostError, "lost twice");
      assert(error.cause instanceof Error);
      assertEquals(device.report.tried.map(({ ok }) => ok), [true, false, true, false, false]);
      await assertRejects(() => device.recover(), DeviceLostError);
      assertEquals(device.report.tried.length, 5);
      device.dispose();
    });

    test(`stays lost when recovery is off${offThread ? ", off-thread" : ""}`, async () => {
      const device = await openDevice({ wasm: fakeKernels({ run: "trap" }), offThread, recover: false });
      await lose(device);
      await assertRejects(() => device.recover(), DeviceLostError, "recovery is off");
      await lose(device);
      assertEquals([device.generation, device.report.bytes], [0, 0]);
      device.dispose();
    });
  }

  test("recovers although the signal of the opening was aborted since", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const device = await openDevice({ wasm: fakeKernels({ run: "trap" }), signal });
    controller.abort();
    await lose(device);
    await device.recover();
    assertEquals(device.generation, 1);
    device.dispose();
  });
});

describe("openBackend()", () => {
  test("leaves out the kinds to avoid and says so", async () => {
    const tried: DeviceAttempt[] = [];
    const backend = await openBackend(
      { prefer: "reference", threads: 1, avoid: { reference: "Not today" } },
      tried,
    );
    assertEquals([backend.kind, tried[0]?.kind, tried[0]?.ok], ["wasm", "reference", false]);
    assertEquals(tried[0]!.reason, "Not today");
    backend.dispose();
  });
});
