// scale * q . k for cached rows of a few codes. A workgroup owns EACH rows for each of its threads, and R query heads that share a
// key head. A thread reads whole rows; as q . (min + step code) is min (sum of q) + step (q . code), it multiplies bare codes.
//#if FOUR
alias Codes = vec4u;
//#else
//#if TWO
alias Codes = vec2u;
//#else
alias Codes = u32;
//#end
//#end
@group(0) @binding(0) var<storage, read> k: array<Codes>; // [heads, p.kHead]
@group(0) @binding(1) var<storage, read> pairs: array<vec2f>; // [heads, p.notesHead]: step and min of each row
@group(0) @binding(2) var<storage, read> q: array<vec4f>; // [heads, D4]
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [heads, p.outHead]

/// The j-th four codes.
fn four(codes: Codes, j: u32) -> vec4f {
//#if INT4
  return vec4f((vec4u(word(codes, j / 2u)) >> (vec4u(0u, 4u, 8u, 12u) + 16u * (j % 2u))) & vec4u(15u));
//#else
  return vec4f((vec4u(word(codes, j)) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u));
//#end
}

fn word(codes: Codes, i: u32) -> u32 {
//#if MANY
  return codes[i];
//#else
  return codes;
//#end
}

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let task = task_of(at);
  let begin = task.chunk * EACH * THREADS + me.local;
//#for t in 0..EACH
  let row$t = min(begin + $tu * THREADS, p.rows - 1u);
  let codes$t = k[p.kBase + task.kv_head * p.kHead + row$t];
  let pair$t = pairs[p.kNotes + task.kv_head * p.notesHead + row$t];
//#end
//#for r in 0..R
  if ($ru < task.heads) {
    let q$r = p.qBase + (task.first_head + $ru) * D4;
    var all = vec4f();
//#for j in 0..D4
    let q$r_$j = p.scale * q[q$r + $ju];
    all += q$r_$j;
//#end
    let sum = all.x + all.y + all.z + all.w;
    let to = p.outBase + (task.first_head + $ru) * p.outHead;
//#for t in 0..EACH
    {
      var product = 0.0;
//#for j in 0..D4
      product += dot(q$r_$j, four(codes$t, $ju));
//#end
      if (begin + $tu * THREADS < p.rows) { out[to + row$t] = fma(pair$t.x, product, pair$t.y * sum); }
    }
//#end
  }
//#end
}
