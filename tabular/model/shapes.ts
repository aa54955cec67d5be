/**
 * Names and shapes of every parameter, from the configuration alone.
 *
 * @module
 */
import { blocksPerScale, type OrionConfig, rowWidth } from "./config.ts";

/**
 * The state dict that a configuration asks for.
 *
 * @param config A checked configuration.
 * @returns Shape by name, names as in the official checkpoint.
 */
export function parameterShapes(config: OrionConfig): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const linear = (name: string, n: number, k: number): void => {
    shapes.set(`${name}.weight`, [n, k]);
    shapes.set(`${name}.bias`, [n]);
  };
  const norm = (name: string, width: number): void => {
    shapes.set(`${name}.weight`, [width]);
    shapes.set(`${name}.bias`, [width]);
  };
  const block = (name: string, width: number, attention = "attn"): void => {
    shapes.set(`${name}.${attention}.in_proj_weight`, [3 * width, width]);
    shapes.set(`${name}.${attention}.in_proj_bias`, [3 * width]);
    linear(`${name}.${attention}.out_proj`, width, width);
    linear(`${name}.linear1`, config.ff_factor * width, width);
    linear(`${name}.linear2`, width, config.ff_factor * width);
    norm(`${name}.norm1`, width);
    norm(`${name}.norm2`, width);
  };
  const e = config.embed_dim;
  const d = rowWidth(config);

  linear("col_embedder.in_linear", e, 1);
  for (let b = 0; b < config.col_num_blocks; b++) {
    const name = `col_embedder.tf_col.blocks.${b}`;
    shapes.set(`${name}.ind_vectors`, [config.col_num_inds, e]);
    block(`${name}.multihead_attn1`, e);
    block(`${name}.multihead_attn2`, e);
  }
  linear("col_embedder.out_w", e, e);
  linear("col_embedder.out_b", e, e);
  norm("col_embedder.ln_w", e);
  norm("col_embedder.ln_b", e);

  shapes.set("row_interactor.cls_tokens", [config.row_num_cls, e]);
  shapes.set("row_interactor.global_tokens", [config.row_num_global, e]);
  config.row_scales.forEach((_, s) => {
    for (let b = 0; b < blocksPerScale(config); b++) {
      block(`row_interactor.scale_encoders.${s}.blocks.${b}`, e);
    }
    shapes.set(`row_interactor.scale_encoders.${s}.rope.freqs`, [e / config.row_nhead / 2]);
  });
  shapes.set("row_interactor.pma.seed", [1, 1, e]);
  for (const part of ["q_proj", "k_proj", "v_proj"]) linear(`row_interactor.pma.${part}`, e, e);
  norm("row_interactor.out_ln", e);

  for (let b = 0; b < config.icl_num_blocks; b++) block(`icl_predictor.tf_icl.blocks.${b}`, d);
  norm("icl_predictor.ln", d);
  linear("icl_predictor.y_encoder", d, config.max_classes);
  linear("icl_predictor.decoder.0", 2 * d, d);
  linear("icl_predictor.decoder.2", config.max_classes, 2 * d);
  if (config.perc_num_latents > 0) {
    shapes.set("icl_predictor.memory.latents", [config.perc_num_latents, d]);
    for (const side of ["write_layers", "read_layers"]) {
      for (let l = 0; l < config.perc_layers; l++) {
        const name = `icl_predictor.memory.${side}.${l}`;
        norm(`${name}.q_norm`, d);
        norm(`${name}.kv_norm`, d);
        block(`${name}.attn`, d);
        block(`${name}.ffn`, d, "self_attn");
      }
    }
  }
  return shapes;
}
