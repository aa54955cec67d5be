// What attention reads: queries, keys and values, four columns at a time of the row of D columns that begins at element i.
// VEC: D and the places of all rows are multiples of four.

/// Below every score; stands for -infinity, with which drivers may not calculate.
const LOWEST = -3.4e38;

//#if VEC
@group(0) @binding(0) var<storage, read> q: array<vec4f>;
fn load_q(i: u32, d: u32) -> vec4f {
  return select(vec4f(), q[(i + min(d, D - 4u)) / 4u], d < D);
}
//#else
@group(0) @binding(0) var<storage, read> q: array<f32>;
fn load_q(i: u32, d: u32) -> vec4f {
  var four = vec4f();
  for (var j = 0u; j < 4u && d + j < D; j++) { four[j] = q[i + d + j]; }
  return four;
}
//#end

//#if HALF
//#if VEC
//#if F16
@group(0) @binding(1) var<storage, read> k: array<vec4h>;
@group(0) @binding(2) var<storage, read> v: array<vec4h>;
fn k_at(i: u32) -> vec4f { return vec4f(k[i / 4u]); }
fn v_at(i: u32) -> vec4f { return vec4f(v[i / 4u]); }
//#else
@group(0) @binding(1) var<storage, read> k: array<vec2u>;
@group(0) @binding(2) var<storage, read> v: array<vec2u>;
fn k_at(i: u32) -> vec4f { return vec4f(unpack2x16float(k[i / 4u].x), unpack2x16float(k[i / 4u].y)); }
fn v_at(i: u32) -> vec4f { return vec4f(unpack2x16float(v[i / 4u].x), unpack2x16float(v[i / 4u].y)); }
//#end
//#else
@group(0) @binding(1) var<storage, read> k: array<u32>;
@group(0) @binding(2) var<storage, read> v: array<u32>;
fn k_one(i: u32) -> f32 { return unpack2x16float(k[i / 2u] >> (16u * (i % 2u))).x; }
fn v_one(i: u32) -> f32 { return unpack2x16float(v[i / 2u] >> (16u * (i % 2u))).x; }
//#end
//#else
//#if VEC
@group(0) @binding(1) var<storage, read> k: array<vec4f>;
@group(0) @binding(2) var<storage, read> v: array<vec4f>;
fn k_at(i: u32) -> vec4f { return k[i / 4u]; }
fn v_at(i: u32) -> vec4f { return v[i / 4u]; }
//#else
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
fn k_one(i: u32) -> f32 { return k[i]; }
fn v_one(i: u32) -> f32 { return v[i]; }
//#end
//#end

// What lies beyond D meets the zeros of q, or is not written.
//#for t in k v
fn load_$t(i: u32, d: u32) -> vec4f {
//#if VEC
  return $t_at(i + min(d, D - 4u));
//#else
  var four = vec4f();
  for (var j = 0u; j < 4u && d + j < D; j++) { four[j] = $t_one(i + d + j); }
  return four;
//#end
}
//#end
