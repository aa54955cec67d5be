import { type Device, linear, softmax, type Tensor, unary } from "../device/mod.ts";

/** Seconds that are long enough to measure. */
const LONG = 0.1;
/** Calls that a measurement makes at most. */
const MOST_CALLS = 4096;
/** Calls after which a device may catch up. */
const BATCH = 64;
const ROUNDS = 3;

/**
 * Computes something whose answer is known.
 *
 * @param device The device.
 * @returns The error: sum of squared differences over sum of squares; NaN where the device gave something else than numbers.
 */
export async function answerError(device: Device): Promise<number> {
  const [m, n, k] = [5, 33, 48];
  const numbers = (count: number, step: number): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => (i * step) % 7 / 8 - 0.375);
  const [x, w, bias] = [numbers(m * k, 3), numbers(n * k, 5), numbers(n, 2)];
  const scope = device.scope();
  try {
    const rows = linear(scope, scope.tensor(x, [m, k]), scope.weight(w, [n, k]), {
      bias: scope.tensor(bias, [n]),
    });
    const found = await softmax(scope, rows).read();
    let [difference, square] = [0, 0];
    for (let i = 0; i < m; i++) {
      const sums = Array.from(
        bias,
        (sum, j) =>
          x.subarray(i * k, (i + 1) * k).reduce((all, value, l) => all + value * w[j * k + l]!, sum),
      );
      const most = Math.max(...sums);
      const powers = sums.map((sum) => Math.exp(sum - most));
      const total = powers.reduce((all, power) => all + power, 0);
      powers.forEach((power, j) => {
        difference += (found[i * n + j]! - power / total) ** 2;
        square += (power / total) ** 2;
      });
    }
    return difference / square;
  } finally {
    scope.dispose();
  }
}

/**
 * Measures a linear layer.
 *
 * @param device The device.
 * @param size Rows, inputs and outputs.
 * @returns Floating-point operations per second; the best of three rounds.
 */
export async function linearSpeed(device: Device, size: number): Promise<number> {
  const scope = device.scope();
  try {
    const x = scope.tensor(new Float32Array(size * size).fill(0.5), [size, size]);
    const w = scope.weight(new Float32Array(size * size).fill(0.25), [size, size]);
    const out = scope.empty([size, size]);
    return 2 * size ** 3 / await secondsPerCall(scope, () => linear(scope, x, w, { out }));
  } finally {
    scope.dispose();
  }
}

/**
 * Measures an operation that does little but read and write.
 *
 * @param device The device.
 * @param bytes What it reads; it writes as much.
 * @returns Bytes read and written per second; the best of three rounds.
 */
export async function memorySpeed(device: Device, bytes: number): Promise<number> {
  const scope = device.scope();
  try {
    const x = scope.tensor(new Float32Array(bytes / 4).fill(1), [bytes / 4]);
    const call = (): void => unary(scope, "relu", x).dispose();
    return 2 * bytes / await secondsPerCall(scope, call);
  } finally {
    scope.dispose();
  }
}

/** Seconds of one call among many, without the readback that ends the measurement. */
async function secondsPerCall(device: Device, call: () => Tensor | void): Promise<number> {
  const marker = device.tensor(new Float32Array(1), [1]);
  const run = async (count: number): Promise<number> => {
    const begin = performance.now();
    for (let i = 1; i <= count; i++) {
      call();
      if (i % BATCH === 0) await device.flush();
    }
    await marker.read();
    return (performance.now() - begin) / 1000;
  };
  const best = async (count: number): Promise<number> => {
    let least = Infinity;
    for (let round = 0; round < ROUNDS; round++) least = Math.min(least, await run(count));
    return least;
  };
  await run(1);
  const idle = await best(0);
  let count = 1;
  while (count < MOST_CALLS && await run(count) - idle < LONG) count *= 4;
  return Math.max(await best(count) - idle, Number.EPSILON) / count;
}
