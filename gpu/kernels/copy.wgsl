// out[outOffset + sum i_a out_a] = x[xOffset + sum i_a x_a] over up to four nested loops, RANK of them longer than 1.
// One thread owns one element.
//#if SIZE_16
@group(0) @binding(0) var<storage, read> x: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4u>;
//#else
@group(0) @binding(0) var<storage, read> x: array<u32>;
//#if WORDS
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
//#else
// SIZE bytes an element: threads that write parts of one word take turns.
@group(0) @binding(1) var<storage, read_write> out: array<atomic<u32>>;
//#end
//#end

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.n0 * p.n1 * p.n2 * p.n3) { return; }
  var rest = i;
  var source = p.xOffset;
  var to = p.outOffset;
//#if RANK_4
  source += rest / (p.n3 * p.n2 * p.n1) * p.x0;
  to += rest / (p.n3 * p.n2 * p.n1) * p.out0;
  rest %= p.n3 * p.n2 * p.n1;
//#end
//#if RANK_3
  source += rest / (p.n3 * p.n2) * p.x1;
  to += rest / (p.n3 * p.n2) * p.out1;
  rest %= p.n3 * p.n2;
//#end
//#if RANK_2
  source += rest / p.n3 * p.x2;
  to += rest / p.n3 * p.out2;
  rest %= p.n3;
//#end
  source += rest * p.x3;
  to += rest * p.out3;
//#if SIZE_16
  out[to] = x[source];
//#else
//#if WORDS
  out[to] = x[source];
//#else
  put(to, element(source));
//#end
//#end
}
