// softmax(scale q k^T) v for few queries and many keys, as fast as keys and values can be read.
// A workgroup owns R queries that share a key head, and one chunk of the keys. LANES threads hold a row of k and v, four
// columns each; THREADS / LANES such slots walk over the chunk with an online softmax of their own and fold at the end.
// With PARTS the chunks' results go to `parts`, for attention_merge.wgsl.

const SLOTS: u32 = THREADS / LANES;
/// Scores of a round: [DEEP keys, slot, query].
const SCORES: u32 = DEEP * SLOTS * R;

@group(0) @binding(7) var<storage, read_write> parts: array<f32>; // [batch, heads, lq, chunks, D + 2] if PARTS: mix, top, sum

var<workgroup> products: array<f32, SCORES * LANES>;
var<workgroup> scores: array<f32, SCORES>;
var<workgroup> slot_top: array<f32, SLOTS * R>;
var<workgroup> slot_sum: array<f32, SLOTS * R>;
var<workgroup> mixes: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let kv_heads = p.heads / p.group;
  let blocks = (p.group * p.lq + R - 1u) / R;
  let number = number_of(at);
  let chunk = number % p.chunks;
  let block = number / p.chunks % blocks;
  let kv_head = number / (p.chunks * blocks) % kv_heads;
  let b = number / (p.chunks * blocks * kv_heads);
  let alive = b < p.batch;
  let lane = me.local % LANES;
  let slot = me.local / LANES;
  let ki = p.kBase + b * p.kBatch + kv_head * p.kHead;
  let vi = p.vBase + b * p.vBatch + kv_head * p.vHead;
  let begin = chunk * p.chunk;
  var end = 0u;
  if (alive) { end = min(begin + p.chunk, keys_of(b)); }

//#for r in 0..R
  let n$r = block * R + $ru;
  let h$r = kv_head * p.group + n$r / p.lq;
  let i$r = n$r % p.lq;
  let in$r = alive && n$r < p.group * p.lq;
  var q$r = vec4f();
  if (in$r) { q$r = load_q(p.qBase + b * p.qBatch + h$r * p.qHead + i$r * p.qRow, 4u * lane) * p.scale; }
  var o$r = vec4f();
  var top$r = LOWEST;
  var sum$r = 0.0;
//#end
  for (var j0 = begin; j0 < end; j0 += DEEP * SLOTS) {
//#for t in 0..DEEP
    {
      let j = j0 + $tu * SLOTS + slot;
      var four = vec4f();
      if (j < end) { four = load_k(ki + j * p.kRow, 4u * lane); }
//#for r in 0..R
      products[(($tu * SLOTS + slot) * R + $ru) * LANES + lane] = dot(q$r, four);
//#end
    }
//#end
    workgroupBarrier();
    for (var e = me.local; e < SCORES; e += THREADS) {
      // Every thread begins at another lane, so that no two meet in a bank.
      var sum = 0.0;
      for (var l = 0u; l < LANES; l++) { sum += products[e * LANES + (l + e) % LANES]; }
      scores[e] = sum;
    }
    workgroupBarrier();
//#for t in 0..DEEP
    let j$t = j0 + $tu * SLOTS + slot;
    var v$t = vec4f();
    if (j$t < end) { v$t = load_v(vi + j$t * p.vRow, 4u * lane); }
//#end
//#for r in 0..R
    {
      let seen = keys_for(b, i$r);
      var highest = top$r;
//#for t in 0..DEEP
      var score$t = LOWEST;
      if (in$r && j$t < min(end, seen) && sees(i$r, j$t)) { score$t = scores[($tu * SLOTS + slot) * R + $ru]; }
      highest = max(highest, score$t);
//#end
      let fade = exp(top$r - highest);
      top$r = highest;
      sum$r *= fade;
      o$r *= fade;
//#for t in 0..DEEP
      {
        let power = select(0.0, exp(score$t - highest), score$t > LOWEST);
        sum$r += power;
        o$r = fma(vec4f(power), v$t, o$r);
      }
//#end
    }
//#end
    workgroupBarrier();
  }
  // Slots fold, query by query.
//#for r in 0..R
  if (lane == 0u) {
    slot_top[$ru * SLOTS + slot] = top$r;
    slot_sum[$ru * SLOTS + slot] = sum$r;
  }
//#end
  workgroupBarrier();
//#for r in 0..R
  {
    var highest = LOWEST;
    for (var s = 0u; s < SLOTS; s++) { highest = max(highest, slot_top[$ru * SLOTS + s]); }
    mixes[me.local] = o$r * exp(top$r - highest);
    workgroupBarrier();
    if (in$r && slot == 0u) {
      var mix = vec4f();
      var sum = 0.0;
      for (var s = 0u; s < SLOTS; s++) {
        mix += mixes[s * LANES + lane];
        sum = fma(slot_sum[$ru * SLOTS + s], exp(slot_top[$ru * SLOTS + s] - highest), sum);
      }
//#if PARTS
      let place = (((b * p.heads + h$r) * p.lq + i$r) * p.allChunks + p.firstChunk + chunk) * (D + 2u);
//#for j in 0..4
      if (4u * lane + $ju < D) { parts[place + 4u * lane + $ju] = mix[$j]; }
//#end
      if (lane == 0u) {
        parts[place + D] = highest;
        parts[place + D + 1u] = sum;
      }
//#else
      let factor = select(0.0, 1.0 / sum, sum > 0.0);
      store(p.outBase + b * p.outBatch + h$r * p.outHead + i$r * p.outRow, 4u * lane, mix * factor);
      if (lane == 0u) { store_lse(b, h$r, i$r, highest, sum); }
//#end
    }
    workgroupBarrier();
  }
//#end
}
