/**
 * Finishes work although its device is lost meanwhile.
 *
 * @module
 */
import type { Device } from "./device.ts";
import { DeviceLostError } from "./errors.ts";

/**
 * Runs a function and, when the device is lost meanwhile, opens the next one and runs the function again.
 *
 * @param device The device that the function computes on.
 * @param run Makes what it needs on the device from host copies, since everything on a lost device is lost with it; by `device.generation` it can tell
 * whether what was made before still lives.
 * @param signal Gives up waiting for the next device.
 * @returns What `run` returned.
 * @example
 * ```ts
 * import { openDevice, recovering, unary } from "./mod.ts";
 *
 * const device = await openDevice();
 * const powers = await recovering(device, async () => {
 *   const scope = device.scope();
 *   try {
 *     return await unary(scope, "exp", scope.tensor(Float32Array.of(1, 2, 3), [3])).read();
 *   } finally {
 *     scope.dispose();
 *   }
 * });
 * console.log(powers); // 2.718, 7.389, 20.09
 * device.dispose();
 * ```
 * @throws What `run` throws; DeviceLostError if no other device opens, or if the device was opened without recovery.
 */
export async function recovering<T>(device: Device, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  while (true) {
    const { generation } = device;
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      await device.recover(signal);
      // The device works and did so all the time: what was lost is not its own.
      if (device.generation === generation) throw error;
    }
  }
}
