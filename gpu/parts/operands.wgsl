// The two operands of a product, read four values along k at a time: x [m, k] and w [n, k] of its stored type.
// VEC: k and all strides are multiples of four, so that four values lie in one load.

//#if VEC
@group(0) @binding(0) var<storage, read> x: array<vec4f>; // [batch, m, k]
fn x_at(i: u32) -> vec4f { return x[i / 4u]; }
//#else
@group(0) @binding(0) var<storage, read> x: array<f32>; // [batch, m, k]
//#end

//#if W_F32
//#if VEC
@group(0) @binding(1) var<storage, read> w: array<vec4f>; // [batch, n, k]
fn w_at(i: u32) -> vec4f { return w[i / 4u]; }
//#else
@group(0) @binding(1) var<storage, read> w: array<f32>; // [batch, n, k]
fn w_one(i: u32) -> f32 { return w[i]; }
//#end
//#end
//#if W_F16
//#if VEC
//#if F16
@group(0) @binding(1) var<storage, read> w: array<vec4h>; // [n, k]
fn w_at(i: u32) -> vec4f { return vec4f(w[i / 4u]); }
//#else
@group(0) @binding(1) var<storage, read> w: array<vec2u>; // [n, k] halves
fn w_at(i: u32) -> vec4f {
  let halves = w[i / 4u];
  return vec4f(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
//#end
//#else
@group(0) @binding(1) var<storage, read> w: array<u32>; // [n, k] halves
fn w_one(i: u32) -> f32 {
  let halves = unpack2x16float(w[i / 2u]);
  return select(halves.x, halves.y, i % 2u == 1u);
}
//#end
//#end
//#if W_I8
@group(0) @binding(1) var<storage, read> w: array<i32>; // [n, k] bytes
//#if VEC
fn w_at(i: u32) -> vec4f {
  let bytes = w[i / 4u];
  return vec4f(vec4i(extractBits(bytes, 0u, 8u), extractBits(bytes, 8u, 8u), extractBits(bytes, 16u, 8u), bytes >> 24u));
}
//#else
fn w_one(i: u32) -> f32 { return f32(extractBits(w[i / 4u], 8u * (i % 4u), 8u)); }
//#end
//#end
//#if W_I4
@group(0) @binding(1) var<storage, read> w: array<u32>; // [n, k] nibbles, 8 above their value
//#if VEC
fn w_at(i: u32) -> vec4f {
  let nibbles = w[i / 8u] >> (4u * (i % 8u));
  return vec4f((vec4u(nibbles) >> vec4u(0u, 4u, 8u, 12u)) & vec4u(15u)) - 8.0;
}
//#else
fn w_one(i: u32) -> f32 { return f32(extractBits(w[i / 8u], 4u * (i % 8u), 4u)) - 8.0; }
//#end
//#end

@group(0) @binding(2) var<storage, read> scales: array<f32>; // [n] if p.scaled, [n, k / group] if GROUPED

/// x[row, c..c + 4] of one batch entry; zeros beyond k. A row beyond m is another row: its sums are not written.
/// Loads stand outside of conditions, so that many are under way at once.
fn load_x(start: u32, row: u32, c: u32) -> vec4f {
  let base = start + min(row, p.m - 1u) * p.k;
//#if VEC
  return select(vec4f(), x_at(base + min(c, p.k - 4u)), c < p.k);
//#else
  let at = min(vec4u(c, c + 1u, c + 2u, c + 3u), vec4u(p.k - 1u)) + base;
  return select(vec4f(), vec4f(x[at.x], x[at.y], x[at.z], x[at.w]), vec4u(c, c + 1u, c + 2u, c + 3u) < vec4u(p.k));
//#end
}

/// w[row, c..c + 4] of one batch entry. What lies beyond k meets the zeros of x; a row beyond n is another row.
fn load_w(start: u32, row_: u32, c: u32) -> vec4f {
  let row = min(row_, p.n - 1u);
  let base = start + row * p.k;
//#if VEC
  let four = w_at(base + min(c, p.k - 4u));
//#else
  let at = min(vec4u(c, c + 1u, c + 2u, c + 3u), vec4u(p.k - 1u)) + base;
  let four = vec4f(w_one(at.x), w_one(at.y), w_one(at.z), w_one(at.w));
//#end
//#if GROUPED
  let groups = p.k / p.group;
//#if GROUPS_OF_FOUR
  return four * scales[p.scaleBase + row * groups + min(c / p.group, groups - 1u)];
//#else
  let numbers = p.scaleBase + row * groups + min(vec4u(c, c + 1u, c + 2u, c + 3u) / p.group, vec4u(groups - 1u));
  return four * vec4f(scales[numbers.x], scales[numbers.y], scales[numbers.z], scales[numbers.w]);
//#end
//#else
  return four;
//#end
}

@group(0) @binding(3) var<storage, read> bias: array<f32>; // [n] if p.biased
//#if OUT_VEC
@group(0) @binding(4) var<storage, read> residual: array<vec4f>; // [m, n] if p.residual is 1; if it is 2, out takes its place
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>; // [batch, m, n]
//#else
@group(0) @binding(4) var<storage, read> residual: array<f32>; // [m, n] if p.residual is 1; if it is 2, out takes its place
@group(0) @binding(5) var<storage, read_write> out: array<f32>; // [batch, m, n]
//#end

/// Finishes one sum of output column c.
fn finish(sum: f32, c: u32) -> f32 {
  var value = p.alpha * sum;
  if (p.scaled == 1u) { value *= scales[p.scaleBase + c]; }
  if (p.biased == 1u) { value += bias[p.biasBase + c]; }
  return activate(ACTIVATION, value);
}

/// Finishes and writes four neighbouring columns of a row; `i` is the place of the first in out.
fn write(sums: vec4f, c: u32, i: u32) {
//#if OUT_VEC
  if (c >= p.n) { return; }
  var values = vec4f(finish(sums.x, c), finish(sums.y, c + 1u), finish(sums.z, c + 2u), finish(sums.w, c + 3u));
  if (p.residual == 1u) { values += residual[i / 4u]; }
  if (p.residual == 2u) { values += out[i / 4u]; }
  out[i / 4u] = values;
//#else
//#for j in 0..4
  if (c + $ju < p.n) {
    var value = finish(sums[$j], c + $ju);
    if (p.residual == 1u) { value += residual[i + $ju]; }
    if (p.residual == 2u) { value += out[i + $ju]; }
    out[i + $ju] = value;
  }
//#end
//#end
}
