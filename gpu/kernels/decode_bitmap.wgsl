// Attention of one query token over rows in bitmap form. A workgroup owns one chunk of the groups of 64 tokens, and R query heads
// that share a key head. Each WARP of 32 threads owns D / WARPS tiles of the keys and of the values of a group; its threads hold
// two elements of a tile each, 32 apart: two tokens of a column of the keys, two columns of a token of the values. An element lies
// as many places behind the first of its tile as there are bits before its own. Then decode_merge.wgsl.
//#if F16
alias Stored = f16;
//#else
alias Stored = u32; // pairs of halves
//#end
@group(0) @binding(0) var<storage, read> k: array<Stored>;
@group(0) @binding(1) var<storage, read> tiles: array<u32>; // elements 0 to 31, 32 to 63, first in the highest bit; offset
@group(0) @binding(2) var<storage, read> v: array<Stored>;
@group(0) @binding(3) var<storage, read> q: array<f32>; // [heads, D]
@group(0) @binding(4) var<storage, read> band: array<i32>; // [kvHeads, 2]: sink, window; if p.banded
@group(0) @binding(5) var<storage, read_write> parts: array<vec4f>; // [heads, p.chunks, D4 + 1]: the mix; largest score and sum of powers

const LOWEST = -3.4e38;
/// A window that holds all tokens.
const EVERYWHERE = 0x7fffffff;
const D4: u32 = D / 4u;
const THREADS: u32 = 32u * WARPS;
/// Tiles of a warp, and warps that share 64 columns of the values.
const OWN: u32 = D / WARPS;
const SHARE: u32 = 64u / OWN;

/// One number for each of R query heads.
//#if FOUR
alias H = vec4f;
//#else
//#if TWO
alias H = vec2f;
//#else
alias H = f32;
//#end
//#end

/// Of the tiles of keys, then of values: elements 0 to 31, 32 to 63, where the former and the latter begin.
var<workgroup> notes: array<array<vec4u, AHEAD>, 2u * D / AHEAD>;
var<workgroup> queries: array<array<H, AHEAD>, D / AHEAD>;
var<workgroup> powers: array<array<H, AHEAD>, 64u / AHEAD>;
/// What warps found: scores of the tokens, in the end the mix.
var<workgroup> found: array<array<H, 64>, WARPS>;
/// What threads fold with others of their warp.
var<workgroup> folds: array<array<vec4f, 8>, R>;
var<workgroup> fades: H;

//#for t in k v
/// An element; whoever has none gets a neighbour's.
fn load_$t(i: u32) -> f32 {
//#if F16
  return f32($t[i]);
//#else
  return unpack2x16float($t[i / 2u] >> (16u * (i % 2u))).x;
//#end
}

//#end
@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let task = task_of(at);
  let lane = me.local % 32u;
  let warp = me.local / 32u;
  let bit = 0x80000000u >> lane;
  let above = ~(0xffffffffu >> lane);
  let begin = task.chunk * p.chunk;
  var end = 0u;
  if (task.heads > 0u) { end = min(begin + p.chunk, (p.rows + 63u) / 64u); }
  var sink = 0;
  var window = EVERYWHERE;
  if (p.banded == 1u) {
    sink = band[p.bandBase + 2u * task.kv_head];
    window = band[p.bandBase + 2u * task.kv_head + 1u];
  }
  for (var d = me.local; d < D; d += THREADS) {
//#if MANY
    var all = H();
//#for r in 0..R
    if ($ru < task.heads) { all[$r] = p.scale * q[p.qBase + (task.first_head + $ru) * D + d]; }
//#end
    queries[d / AHEAD][d % AHEAD] = all;
//#else
    queries[d / AHEAD][d % AHEAD] = select(0.0, p.scale * q[p.qBase + task.first_head * D + d], task.heads > 0u);
//#end
  }

  var early_v = H();
  var late_v = H();
  // Of query head `warp`: the same in all threads, and this thread's part of the sum.
  var top = LOWEST;
  var sum = 0.0;
  for (var g = begin; g < end; g++) {
    // A group between sink and window has nothing to read.
    if (i32(p.first + 64u * g) >= sink && i32(p.total) - 64 - i32(p.first + 64u * g) >= window) { continue; }
    for (var i = me.local; i < D; i += THREADS) {
//#for t in k v
      let from_$t = p.$tNotes + task.kv_head * p.notesHead + 3u * (g * D + i);
      let note_$t = vec3u(tiles[from_$t], tiles[from_$t + 1u], p.$tBase + task.kv_head * p.$tHead + 2u * tiles[from_$t + 2u]);
//#end
      notes[i / AHEAD][i % AHEAD] = vec4u(note_k, note_k.z + countOneBits(note_k.x));
      notes[(D + i) / AHEAD][i % AHEAD] = vec4u(note_v, note_v.z + countOneBits(note_v.x));
    }
    workgroupBarrier();
    var early_k = H();
    var late_k = H();
    for (var n = 0u; n < OWN / AHEAD; n++) {
      let o = warp * (OWN / AHEAD) + n;
//#for u in 0..AHEAD
      let note$u = notes[o][$u];
      let early$u = load_k(note$u.z + countOneBits(note$u.x & above));
      let late$u = load_k(note$u.w + countOneBits(note$u.y & above));
//#end
//#for u in 0..AHEAD
      early_k = fma(H(select(0.0, early$u, (note$u.x & bit) != 0u)), queries[o][$u], early_k);
      late_k = fma(H(select(0.0, late$u, (note$u.y & bit) != 0u)), queries[o][$u], late_k);
//#end
    }
    found[warp][lane] = early_k;
    found[warp][lane + 32u] = late_k;
    workgroupBarrier();
    // Each of R warps takes one query head.
    var early = LOWEST;
    var late = LOWEST;
    if (warp < R) {
      let score = vec2f(
//#for i in 0..2
        0.0
//#for w in 0..WARPS
//#if MANY
        + found[$w][lane + 32u * $iu][warp]
//#else
        + found[$w][lane + 32u * $iu]
//#end
//#end
        ,
//#end
      );
//#for i in 0..2
      let token$i = 64u * g + lane + 32u * $iu;
      let position$i = i32(p.first + token$i);
      let live$i = token$i < p.rows && (position$i < sink || i32(p.total) - 1 - position$i < window);
//#end
      early = select(LOWEST, score.x, live0);
      late = select(LOWEST, score.y, live1);
      folds[warp][lane / 4u][lane % 4u] = max(early, late);
    }
    workgroupBarrier();
    if (warp < R) {
      var four = folds[warp][0];
//#for i in 1..8
      four = max(four, folds[warp][$i]);
//#end
      let highest = max(top, max(max(four.x, four.y), max(four.z, four.w)));
      let fade = exp(top - highest);
      top = highest;
      early = select(0.0, exp(early - highest), early > LOWEST);
      late = select(0.0, exp(late - highest), late > LOWEST);
      sum = fma(sum, fade, early + late);
//#if MANY
      powers[lane / AHEAD][lane % AHEAD][warp] = early;
      powers[(lane + 32u) / AHEAD][lane % AHEAD][warp] = late;
      fades[warp] = fade;
//#else
      powers[lane / AHEAD][lane % AHEAD] = early;
      powers[(lane + 32u) / AHEAD][lane % AHEAD] = late;
      fades = fade;
//#end
    }
    workgroupBarrier();
    early_v *= fades;
    late_v *= fades;
    for (var n = 0u; n < OWN / AHEAD; n++) {
      let o = (D + warp * OWN) / AHEAD + n;
      let t = warp % SHARE * (OWN / AHEAD) + n;
//#for u in 0..AHEAD
      let note$u = notes[o][$u];
      let early$u = load_v(note$u.z + countOneBits(note$u.x & above));
      let late$u = load_v(note$u.w + countOneBits(note$u.y & above));
//#end
//#for u in 0..AHEAD
      early_v = fma(H(select(0.0, early$u, (note$u.x & bit) != 0u)), powers[t][$u], early_v);
      late_v = fma(H(select(0.0, late$u, (note$u.y & bit) != 0u)), powers[t][$u], late_v);
//#end
    }
    workgroupBarrier();
  }

  found[warp][lane] = early_v;
  found[warp][lane + 32u] = late_v;
  if (warp < R) { folds[warp][lane / 4u][lane % 4u] = sum; }
  workgroupBarrier();
  if (warp < R) {
    var four = folds[warp][0];
//#for i in 1..8
    four += folds[warp][$i];
//#end
    sum = four.x + four.y + four.z + four.w;
  }
  // Threads of warp r write what belongs to query head r.
  if (warp >= task.heads) { return; }
  for (var i = lane; i <= D4; i += 32u) {
    var four = vec4f(top, sum, 0.0, 0.0);
    if (i < D4) {
      four = vec4f();
      for (var s = 0u; s < SHARE; s++) {
//#for j in 0..4
//#if MANY
        four[$j] += found[i / 16u * SHARE + s][4u * (i % 16u) + $ju][warp];
//#else
        four[$j] += found[i / 16u * SHARE + s][4u * (i % 16u) + $ju];
//#end
//#end
      }
    }
    parts[((task.first_head + warp) * p.chunks + task.chunk) * (D4 + 1u) + i] = four;
  }
}
