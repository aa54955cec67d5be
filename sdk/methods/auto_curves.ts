/**
 * Measured costs that {@linkcode auto} chooses by. Each entry was printed by `deno task compare --curves`.
 *
 * @module
 */
import type { CostCurve } from "./auto.ts";

/** One entry for each device and head width. */
export const CURVES: readonly CostCurve[] = [
  {
    "device": "wasm",
    "adapter": "wasm simd128+relaxed, 1 thread",
    "headDim": 64,
    "lengths": [
      2048,
      4096,
      8192,
      16384,
    ],
    "denseMs": [
      10.96,
      40.78,
      164.4,
      782,
    ],
    "methods": {
      "anchorAttention": {
        "ms": [
          10.93,
          46.58,
          134.4,
          776.8,
        ],
        "recall": [
          1,
          0.99,
          0.9913,
          0.9355,
        ],
      },
      "flexPrefill": {
        "ms": [
          8.879,
          21.5,
          60.94,
          146.9,
        ],
        "recall": [
          0.9715,
          0.9077,
          0.6788,
          0.5984,
        ],
      },
      "minference": {
        "ms": [
          11.02,
          42.89,
          212.3,
          637.4,
        ],
        "recall": [
          1,
          1,
          1,
          0.9977,
        ],
      },
      "pbsAttn": {
        "ms": [
          10.16,
          35.16,
          162.5,
          485.4,
        ],
        "recall": [
          0.9854,
          0.9844,
          0.976,
          0.922,
        ],
      },
    },
  },
  {
    "device": "wasm",
    "adapter": "wasm simd128+relaxed, 1 thread",
    "headDim": 128,
    "lengths": [
      2048,
      4096,
      8192,
      16384,
    ],
    "denseMs": [
      19.55,
      86.87,
      588.3,
      1963,
    ],
    "methods": {
      "anchorAttention": {
        "ms": [
          19.52,
          114.2,
          436.4,
          817.7,
        ],
        "recall": [
          1,
          0.979,
          0.981,
          0.9779,
        ],
      },
      "flexPrefill": {
        "ms": [
          16.46,
          51,
          132.1,
          289.4,
        ],
        "recall": [
          0.9517,
          0.9113,
          0.6643,
          0.5713,
        ],
      },
      "minference": {
        "ms": [
          20.41,
          91.57,
          431.7,
          1234,
        ],
        "recall": [
          1,
          1,
          1,
          0.9976,
        ],
      },
      "pbsAttn": {
        "ms": [
          21.61,
          78.9,
          492,
          991.1,
        ],
        "recall": [
          0.9912,
          0.9833,
          0.962,
          0.8787,
        ],
      },
    },
  },
];
