// out [rows, ceil(h / g), e] = sum, mean, largest or smallest of g consecutive members of x [rows, h, e], 0 where there are
// none. One thread owns one element.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, h, e]
@group(0) @binding(1) var<storage, read> counts: array<i32>; // [ceil(rows / rowsPerCount)] if HAS_COUNTS
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [rows, ceil(h / g), e]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  let each = (p.h + p.g - 1u) / p.g;
  if (i >= p.rows * each * p.e) { return; }
  let c = i % p.e;
  let begin = (i / p.e) % each * p.g;
  let row = i / (p.e * each);
  var limit = p.h;
//#if HAS_COUNTS
  limit = u32(clamp(counts[row / p.rowsPerCount], 0, i32(p.h)));
//#end
  let end = min(begin + p.g, limit);
  var value = 0.0;
  for (var member = begin; member < end; member++) {
    let next = x[(row * p.h + member) * p.e + c];
    value = select(pick(value, next), next, member == begin);
  }
  let members = f32(max(end, begin) - begin);
  let divisor = select(f32(p.g), max(members, 1.0), REAL == 1u);
  out[i] = select(value, value / divisor, KIND == 1u);
}

/// By the kind of a reduction in sdk/device/ops.ts.
fn pick(a: f32, b: f32) -> f32 {
  switch KIND {
    case 2u: { return max(a, b); }
    case 3u: { return min(a, b); }
    default: { return a + b; }
  }
}
