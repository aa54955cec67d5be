// Attention of one query token over cached rows, as fast as they can be read. A workgroup owns one chunk of the tokens that are
// named, and R query heads that share a key head and a list. LANES threads hold a row of k and v, 4 C4 columns each; in a round
// each of the THREADS / LANES slots takes DEEP rows. Lanes swap their shares of the scores and each exponentiates a part of them.
// What the chunks found goes to `parts`, for decode_merge.wgsl.
@group(0) @binding(3) var<storage, read> v: array<Stored>;
//#if VEC
@group(0) @binding(4) var<storage, read> q: array<vec4f>; // [heads, D]
//#else
@group(0) @binding(4) var<storage, read> q: array<f32>; // [heads, D]
//#end
@group(0) @binding(5) var<storage, read> list: array<i32>; // [lists, p.listCap] if p.listed
@group(0) @binding(6) var<storage, read> band: array<i32>; // [kvHeads, 2]: sink, window; if p.banded
@group(0) @binding(7) var<storage, read_write> parts: array<vec4f>; // [heads, p.chunks, D4 + 1]: the mix; largest score and sum of powers

/// Below every score.
const LOWEST = -3.4e38;
/// A window that holds all tokens.
const EVERYWHERE = 0x7fffffff;
const D4: u32 = (D + 3u) / 4u;
const SLOTS: u32 = THREADS / LANES;
/// Scores of a slot in a round: [DEEP, R].
const E: u32 = DEEP * R;
/// QUADS vectors of them, and one more, which spreads them over the banks.
const E4: u32 = QUADS + 1u;
/// Entries of a list that a thread reads at once.
const AT_ONCE: u32 = 32u;

/// Each lane's share of its slot's scores.
var<workgroup> shares: array<vec4f, THREADS * E4>;
var<workgroup> scores: array<f32, SLOTS * E>;
var<workgroup> powers: array<vec4f, SLOTS * QUADS>;
/// By slot and query head.
var<workgroup> fades: array<f32, SLOTS * R>;
var<workgroup> tops: array<f32, SLOTS * R>;
var<workgroup> sums: array<f32, SLOTS * R>;
var<workgroup> lane_sums: array<f32, THREADS>;
var<workgroup> list_end: atomic<u32>;
var<workgroup> listed: u32;

/// The same as load_k, of v.
fn load_v(base: u32, notes: u32, place: u32, column: u32) -> Row {
//#if VEC
  return Row(v[(base + place * D + column) / UNIT], pair_of(notes, place, column));
//#else
  var row = Row();
  for (var j = 0u; j < 4u; j++) {
    let i = element_of(base, notes, place, column + j, true);
    row.raw[j] = element(v[select(i, base, i == MISSING) / EACH], i, pair_of(notes, place, min(column + j, D - 1u)));
  }
  return row;
//#end
}

fn load_q(head: u32, column: u32) -> vec4f {
//#if VEC
  return select(vec4f(), q[(p.qBase + head * D + min(column, D - 4u)) / 4u], column < D);
//#else
  var four = vec4f();
  for (var j = 0u; j < 4u && column + j < D; j++) { four[j] = q[p.qBase + head * D + column + j]; }
  return four;
//#end
}

/// How many of the first `needed` entries of a list come before the first negative one.
fn entries_of(first: u32, needed: u32, me: Lane) -> u32 {
  if (me.local == 0u) { atomicStore(&list_end, needed); }
  workgroupBarrier();
  var end = needed;
  for (var i = me.local; i < needed; i += AT_ONCE * THREADS) {
//#for u in 0..32
    let i$u = min(i + $uu * THREADS, needed - 1u);
    let entry$u = list[first + i$u];
//#end
//#for u in 0..32
    if (entry$u < 0) { end = min(end, i$u); }
//#end
  }
  if (end < needed) { atomicMin(&list_end, end); }
  workgroupBarrier();
  if (me.local == 0u) { listed = atomicLoad(&list_end); }
  return workgroupUniformLoad(&listed);
}

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let task = task_of(at);
  let slot = me.local / LANES;
  let lane = me.local % LANES;
  // Lanes beyond the head repeat its last columns; their queries are zeros, and nobody writes their mix.
  let column = min(4u * C4 * lane, (D - 1u) / (4u * C4) * (4u * C4));
  let ki = p.kBase + task.kv_head * p.kHead;
  let vi = p.vBase + task.kv_head * p.vHead;
  let k_notes = p.kNotes + task.kv_head * p.notesHead;
  let v_notes = p.vNotes + task.kv_head * p.notesHead;
  let begin = task.chunk * p.chunk;
  var end = 0u;
  if (task.heads > 0u) { end = min(begin + p.chunk, p.named); }
  let list_first = p.listBase + task.first_head / p.listGroup * p.listCap;
  if (p.listed == 1u) { end = min(end, entries_of(list_first, (end + p.step - 1u) / p.step, me) * p.step); }
  var sink = 0;
  var window = EVERYWHERE;
  if (p.banded == 1u) {
    sink = band[p.bandBase + 2u * task.kv_head];
    window = band[p.bandBase + 2u * task.kv_head + 1u];
  }
  // Chunks between sink and window have nothing to read.
  if (p.listed == 0u && i32(p.first + begin) >= sink && i32(p.total) - i32(p.first + end) >= window) { end = begin; }

//#for r in 0..R
//#for j in 0..C4
  var q$r_$j = vec4f();
  if ($ru < task.heads) { q$r_$j = p.scale * load_q(task.first_head + $ru, 4u * (C4 * lane + $ju)); }
  var o$r_$j = vec4f();
//#end
//#end
  // Of query head lane % R: the same in all its lanes, and this lane's part of the sum.
  var top = LOWEST;
  var sum = 0.0;
  for (var first = begin; first < end; first += DEEP * SLOTS) {
    var live = 0u;
//#for t in 0..DEEP
    let n$t = first + $tu * SLOTS + slot;
    var token$t = min(n$t, end - 1u);
    if (p.listed == 1u) {
//#if STEPS
      token$t = u32(list[list_first + token$t / p.step]) * p.step + token$t % p.step - p.first;
//#else
      token$t = u32(list[list_first + token$t]) - p.first;
//#end
    }
    var place$t = place_of(task.kv_head, min(token$t, p.rows - 1u));
    let position$t = i32(p.first + token$t);
    let live$t = n$t < end && token$t < p.rows && place$t != MISSING &&
      (position$t < sink || i32(p.total) - 1 - position$t < window);
    place$t = select(0u, place$t, live$t);
    live |= select(0u, 1u << $tu, live$t);
//#end
    // Values are asked for with the keys, and nothing asks under a condition, so that many loads are under way at once.
//#for t in 0..DEEP
    let k$t = load_k(ki, k_notes, place$t, column, false);
    let v$t = load_v(vi, v_notes, place$t, column);
//#end
    var share: array<vec4f, QUADS>;
//#for t in 0..DEEP
//#for j in 0..C4
    let k$t_$j = four(k$t, column, $ju);
//#end
//#for r in 0..R
    {
      var both = 0.0;
//#for j in 0..C4
      both += dot(q$r_$j, k$t_$j);
//#end
      share[($tu * R + $ru) / 4u][($tu * R + $ru) % 4u] = both;
    }
//#end
//#end
//#for i in 0..QUADS
    shares[me.local * E4 + $iu] = share[$i];
//#end
    workgroupBarrier();
    for (var e = lane; e < E; e += LANES) {
      var score = 0.0;
      for (var l = 0u; l < LANES; l++) { score += shares[(slot * LANES + l) * E4 + e / 4u][e % 4u]; }
      scores[slot * E + e] = select(LOWEST, score, extractBits(live, e / R, 1u) == 1u);
    }
    workgroupBarrier();
    var highest = top;
    for (var t = 0u; t < DEEP; t++) { highest = max(highest, scores[slot * E + t * R + lane % R]); }
    let fade = exp(top - highest);
    top = highest;
    sum *= fade;
    for (var e = lane; e < E; e += LANES) {
      let score = scores[slot * E + e];
      let power = select(0.0, exp(score - highest), score > LOWEST);
      powers[(slot * E + e) / 4u][e % 4u] = power;
      sum += power;
    }
    if (lane < R) { fades[slot * R + lane] = fade; }
    workgroupBarrier();
    var power: array<vec4f, QUADS>;
//#for i in 0..QUADS
    power[$i] = powers[slot * QUADS + $iu];
//#end
//#for r in 0..R
    {
      let faded = fades[slot * R + $ru];
//#for j in 0..C4
      o$r_$j *= faded;
//#end
    }
//#end
//#for t in 0..DEEP
//#for j in 0..C4
    {
      let columns = four(v$t, column, $ju);
//#for r in 0..R
      o$r_$j = fma(vec4f(power[($tu * R + $ru) / 4u][($tu * R + $ru) % 4u]), columns, o$r_$j);
//#end
    }
//#end
//#end
  }

  // Slots fold, query head by query head.
  lane_sums[me.local] = sum;
  if (lane < R) { tops[slot * R + lane] = top; }
  workgroupBarrier();
  if (lane < R) {
    var all = 0.0;
    for (var l = lane; l < LANES; l += R) { all += lane_sums[slot * LANES + l]; }
    sums[slot * R + lane] = all;
  }
//#for r in 0..R
  {
    var highest = LOWEST;
    for (var s = 0u; s < SLOTS; s++) { highest = max(highest, tops[s * R + $ru]); }
    let factor = exp(tops[slot * R + $ru] - highest);
//#for j in 0..C4
    shares[me.local * C4 + $ju] = o$r_$j * factor;
//#end
    workgroupBarrier();
    let to = ((task.first_head + $ru) * p.chunks + task.chunk) * (D4 + 1u);
    for (var i = me.local; $ru < task.heads && i <= D4; i += THREADS) {
      var four = vec4f();
      if (i < D4) {
        for (var s = 0u; s < SLOTS; s++) { four += shares[s * LANES * C4 + i]; }
      } else {
        four.x = highest;
        for (var s = 0u; s < SLOTS; s++) { four.y = fma(sums[s * R + $ru], exp(tops[s * R + $ru] - highest), four.y); }
      }
      parts[to + i] = four;
    }
    workgroupBarrier();
  }
//#end
}
