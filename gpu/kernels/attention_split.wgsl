// softmax(scale q k^T) v for few queries and many keys, as fast as keys and values can be read.
// A workgroup owns R queries that share a key head, and one chunk of the keys. LANES threads hold a row of k and v, four
// columns each; THREADS / LANES such slots walk over the chunk with an online softmax of their own and fold at the end.
// With PARTS the chunks' results go to `parts`, for attention_merge.wgsl.

const SLOTS: u32 = THREADS / LANES;
/// Scores of a round: [DEEP keys, slot, query].
const SCORES: u32 = DEEP * SLOTS * R;

@group(0) @binding(7) var<storage, read_write> parts: array<f32>; // [batch, heads, lq, chunks, D + 2] if PARTS: mix, top, sum

const LAST: u32 = (D - 1u) / 4u * 4u;

var<workgroup> products: array<f32, SCORES * LANES>;
/// Each in four parts.
var<workgroup> scores: array<vec4f, SCORES>;
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
  // Lanes beyond the head repeat its last columns; their queries are zeros, and nobody writes their mix.
  let column = min(4u * lane, LAST);
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
  for (var first = begin; first < end; first += DEEP * SLOTS) {
    // Values are asked for with the keys, and nothing asks under a condition, so that many loads are under way at once.
//#for t in 0..DEEP
    let j$t = first + $tu * SLOTS + slot;
    let k$t = load_k(ki + min(j$t, end - 1u) * p.kRow, column);
    let v$t = load_v(vi + min(j$t, end - 1u) * p.vRow, column);
//#end
//#for t in 0..DEEP
//#for r in 0..R
    products[(($tu * SLOTS + slot) * R + $ru) * LANES + lane] = dot(q$r, k$t);
//#end
//#end
    workgroupBarrier();
    // Four threads add up the lanes of one score, a quarter each. Each begins at another lane, so that few meet in a bank.
    for (var e = me.local; e < 4u * SCORES; e += THREADS) {
      var sum = 0.0;
      for (var l = 0u; l < LANES / 4u; l++) { sum += products[e * (LANES / 4u) + (l + e / 4u) % (LANES / 4u)]; }
      scores[e / 4u][e % 4u] = sum;
    }
    workgroupBarrier();
//#for r in 0..R
    {
      let seen = min(end, keys_for(b, i$r));
      var highest = top$r;
//#for t in 0..DEEP
      var score$t = LOWEST;
      if (in$r && j$t < seen && sees(i$r, j$t)) { score$t = dot(scores[($tu * SLOTS + slot) * R + $ru], vec4f(1.0)); }
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
  }
  // Slots fold, query by query.
  var mix_of = array<vec4f, R>(
//#for r in 0..R
    o$r,
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
    mixes[me.local] = mix_of[r] * exp(top_of[r] - highest);
    workgroupBarrier();
    if (inside && slot == 0u) {
      var mix = vec4f();
      for (var s = 0u; s < SLOTS; s++) { mix += mixes[s * LANES + lane]; }
//#if PARTS
      for (var j = 0u; j < 4u && 4u * lane + j < D; j++) { parts[place + 4u * lane + j] = mix[j]; }
//#else
      store(p.outBase + b * p.outBatch + h * p.outHead + i * p.outRow, 4u * lane, mix * select(0.0, 1.0 / sum, sum > 0.0));
//#end
    }
    workgroupBarrier();
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
