// Folds what attention_split.wgsl found in the chunks of the keys. One thread owns one column of one query's result.
@group(0) @binding(0) var<storage, read> parts: array<f32>; // [batch, heads, lq, chunks, D + 2]: mix, top, sum
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>; // [batch, heads, queries] if p.summed

const LOWEST = -3.4e38;

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let number = number_of(at) * THREADS + me.local;
  if (number >= p.batch * p.heads * p.lq * D) { return; }
  let d = number % D;
  let row = number / D;
  let i = row % p.lq;
  let h = row / p.lq % p.heads;
  let b = row / (p.lq * p.heads);
  let first = row * p.chunks * (D + 2u);
  var highest = LOWEST;
  for (var c = 0u; c < p.chunks; c++) { highest = max(highest, parts[first + c * (D + 2u) + D]); }
  var mix = 0.0;
  var sum = 0.0;
  for (var c = 0u; c < p.chunks; c++) {
    let place = first + c * (D + 2u);
    let factor = exp(parts[place + D] - highest);
    mix = fma(parts[place + d], factor, mix);
    sum = fma(parts[place + D + 1u], factor, sum);
  }
  out[p.outBase + b * p.outBatch + h * p.outHead + i * p.outRow + d] = select(0.0, mix / sum, sum > 0.0);
  if (d == 0u && p.summed == 1u) { lse[p.lseBase + b * p.lseBatch + h * p.queries + i] = select(-infinity(), highest + log(sum), sum > 0.0); }
}
