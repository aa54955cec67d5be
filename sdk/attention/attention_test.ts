import { describe, test } from "node:test";
import { assertAlmostEquals, assertEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { openDevice } from "../device/mod.ts";
import type { Tensor } from "../device/tensor.ts";
import { attention } from "./attention.ts";

const device = await openDevice({ prefer: "reference" });
const r = random(21);
const make = (...shape: number[]): Tensor =>
  device.tensor(r.normals(shape.reduce((a, b) => a * b, 1)), shape);

describe("attention()", () => {
  test("shares keys between neighbouring query heads", async () => {
    const [q, k, v] = [make(7, 3, 8), make(1, 5, 8), make(1, 5, 8)];
    const { out } = attention(device, q, k, v);
    const all = await out.read();
    const data = await q.read();
    for (let h = 0; h < 7; h++) {
      const one = attention(device, device.tensor(data.slice(h * 24, (h + 1) * 24), [1, 3, 8]), k, v).out;
      assertEquals(all.slice(h * 24, (h + 1) * 24), await one.read());
    }
  });

  test("causal lets the last query see every key", async () => {
    const [q, k, v] = [make(2, 3, 4), make(2, 9, 4), make(2, 9, 4)];
    const causal = await attention(device, q, k, v, { causal: true }).out.read();
    const full = await attention(device, q, k, v).out.read();
    assertEquals(causal.slice(8, 12), full.slice(8, 12));
    assertEquals(causal[0] === full[0], false);
  });

  test("a causal query before the first key gives zeros and -Infinity", async () => {
    const { out, lse } = attention(device, make(1, 3, 2), make(1, 2, 2), make(1, 2, 2), {
      causal: true,
      lse: true,
    });
    assertEquals([...(await out.read()).slice(0, 2), (await lse.read())[0]], [0, 0, -Infinity]);
  });

  test("returns the log-sum-exp only when asked", async () => {
    const [q, k] = [
      device.tensor(Float32Array.of(2), [1, 1, 1]),
      device.tensor(Float32Array.of(1, 3), [1, 2, 1]),
    ];
    assertEquals(attention(device, q, k, k).lse, undefined);
    const { lse } = attention(device, q, k, k, { lse: true, scale: 0.5 });
    assertAlmostEquals((await lse.read())[0]!, Math.log(Math.exp(1) + Math.exp(3)), 1e-6);
  });
});
