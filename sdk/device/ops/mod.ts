/**
 * Operations: one function each; the device (or scope) that receives the result comes first.
 *
 * @module
 */
export * from "./attend.ts";
export * from "./binary.ts";
export * from "./cached_rows.ts";
export * from "./cast.ts";
export * from "./compact.ts";
export * from "./concat.ts";
export * from "./embed_cells.ts";
export * from "./fill.ts";
export * from "./gather.ts";
export * from "./group_mean.ts";
export * from "./layer_norm.ts";
export * from "./line_sums.ts";
export * from "./line_tiles.ts";
export * from "./linear.ts";
export * from "./mark.ts";
export * from "./matmul.ts";
export * from "./merge_lines.ts";
export * from "./pack_bitmap.ts";
export * from "./put_rows.ts";
export * from "./quantize.ts";
export * from "./reduce.ts";
export * from "./repeat.ts";
export * from "./reshape.ts";
export * from "./rms_norm.ts";
export * from "./rope.ts";
export * from "./sample.ts";
export * from "./scale_add.ts";
export * from "./scan.ts";
export * from "./scatter.ts";
export * from "./slice.ts";
export * from "./softmax.ts";
export * from "./topk.ts";
export * from "./transpose.ts";
export * from "./unary.ts";
