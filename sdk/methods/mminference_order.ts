/**
 * The order of tokens in a plan of MMInference.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { type Coordinates, modalityOrder } from "./mminference_cells.ts";

/** Coordinates of rows and slots on the device, in the order of a plan. */
export interface Placement {
  /** i32 [1, 1 + key classes, Lq]: what `lineTiles` wants of rows. */
  readonly queries: Tensor;
  /** i32 [1, 2, Lk]: what it wants of slots. */
  readonly keys: Tensor;
  /** i32 [1, Lq]: the query of every row. @default the row */
  readonly qOrder?: Tensor;
  /** i32 [1, Lk]: the key of every slot. @default the slot */
  readonly kOrder?: Tensor;
}

/** Tokens grouped by class, in the order of their positions. */
export function placeByClass(d: Device, coordinates: Coordinates): Placement {
  const { queryClass, queryClasses, seen, keyClass, keyClasses, rank } = coordinates;
  const rows = queryClasses > 1 ? modalityOrder(queryClass) : undefined;
  const slots = keyClasses > 1 ? modalityOrder(keyClass) : undefined;
  return {
    queries: ordered(d, [queryClass, ...seen], rows),
    keys: ordered(d, [keyClass, rank], slots),
    ...rows && { qOrder: d.tensor(rows, [1, rows.length]) },
    ...slots && { kOrder: d.tensor(slots, [1, slots.length]) },
  };
}

/** Rows of numbers side by side, each in the given order. */
function ordered(d: Device, rows: readonly Int32Array[], order: Int32Array | undefined): Tensor {
  const length = rows[0]!.length;
  const all = rows.flatMap((row) => Array.from(row, (_, i) => row[order?.[i] ?? i]!));
  return d.tensor(Int32Array.from(all), [1, rows.length, length]);
}
