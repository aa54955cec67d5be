// What dense attention writes beside its result.
@group(0) @binding(6) var<storage, read_write> lse: array<f32>; // [batch, heads, queries] if p.summed

/// Writes the log-sum-exp of query i: -infinity if it saw nothing.
fn store_lse(b: u32, h: u32, i: u32, top: f32, sum: f32) {
  if (p.summed == 0u) { return; }
  lse[p.lseBase + b * p.lseBatch + h * p.queries + i] = select(-infinity(), top + log(sum), sum > 0.0);
}
