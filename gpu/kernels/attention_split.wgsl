// softmax(scale q k^T) v for few queries and many keys, as fast as keys and values can be read.
// A workgroup owns R queries that share a key head, and one chunk of the keys. LANES threads hold a row of k and v, DV runs
// of four columns each; THREADS / LANES such slots walk over the chunk with an online softmax of their own and fold at the end.
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
//#for d in 0..DV
  var q$r_$d = vec4f();
  if (in$r) { q$r_$d = load_q(p.qBase + b * p.qBatch + h$r * p.qHead + i$r * p.qRow, 4u * (lane + $du * LANES)) * p.scale; }
  var o$r_$d = vec4f();
//#end
  var top$r = LOWEST;
  var sum$r = 0.0;
//#end
  for (var j0 = begin; j0 < end; j0 += DEEP * SLOTS) {
//#for t in 0..DEEP
    {
      let j = j0 + $tu * SLOTS + slot;
//#for d in 0..DV
      var four$d = vec4f();
      if (j < end) { four$d = load_k(ki + j * p.kRow, 4u * (lane + $du * LANES)); }
//#end
//#for r in 0..R
      products[(($tu * SLOTS + slot) * R + $ru) * LANES + lane] = 0.0
//#for d in 0..DV
        + dot(q$r_$d, four$d)
//#end
        ;
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
//#for d in 0..DV
    var v$t_$d = vec4f();
    if (j$t < end) { v$t_$d = load_v(vi + j$t * p.vRow, 4u * (lane + $du * LANES)); }
//#end
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
//#for d in 0..DV
      o$r_$d *= fade;
//#end
//#for t in 0..DEEP
      {
        let power = select(0.0, exp(score$t - highest), score$t > LOWEST);
        sum$r += power;
//#for d in 0..DV
        o$r_$d = fma(vec4f(power), v$t_$d, o$r_$d);
//#end
      }
//#end
    }
//#end
    workgroupBarrier();
  }
  // Slots fold, query by query.
  var mix_of = array<vec4f, R * DV>(
//#for r in 0..R
//#for d in 0..DV
    o$r_$d,
//#end
//#end
  );
  var top_of = array<f32, R>(
//#for r in 0..R
    top$r,
//#end
  );
  if (lane == 0u) {
//#for r in 0..R
    slot_top[$ru * SLOTS + slot] = top$r;
    slot_sum[$ru * SLOTS + slot] = sum$r;
//#end
  }
  workgroupBarrier();
  for (var r = 0u; r < R; r++) {
    let n = block * R + r;
    let h = kv_head * p.group + n / p.lq;
    let i = n % p.lq;
    let inside = alive && n < p.group * p.lq;
    var highest = LOWEST;
    for (var s = 0u; s < SLOTS; s++) { highest = max(highest, slot_top[r * SLOTS + s]); }
    var sum = 0.0;
    for (var s = 0u; s < SLOTS; s++) { sum = fma(slot_sum[r * SLOTS + s], exp(slot_top[r * SLOTS + s] - highest), sum); }
    let place = (((b * p.heads + h) * p.lq + i) * p.allChunks + p.firstChunk + chunk) * (D + 2u);
    for (var d = 0u; d < DV; d++) {
      mixes[me.local] = mix_of[r * DV + d] * exp(top_of[r] - highest);
      workgroupBarrier();
      if (inside && slot == 0u) {
        let column = 4u * (lane + d * LANES);
        var mix = vec4f();
        for (var s = 0u; s < SLOTS; s++) { mix += mixes[s * LANES + lane]; }
//#if PARTS
        for (var j = 0u; j < 4u && column + j < D; j++) { parts[place + column + j] = mix[j]; }
//#else
        let factor = select(0.0, 1.0 / sum, sum > 0.0);
        store(p.outBase + b * p.outBatch + h * p.outHead + i * p.outRow, column, mix * factor);
//#end
      }
      workgroupBarrier();
    }
    if (inside && me.local == 0u) {
//#if PARTS
      parts[place + D] = highest;
      parts[place + D + 1u] = sum;
//#else
      store_lse(b, h, i, highest, sum);
//#end
    }
  }
}
