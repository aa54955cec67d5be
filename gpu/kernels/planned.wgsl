// softmax(scale q k^T + bias) v over the slots that a plan lists: attention_tiles.wgsl with a table of keys.
// A workgroup of WX x WY threads owns BQ = 8 WY rows of one row block of one head, and takes the block's tiles, then its
// columns, as one run of slots, BK = 4 WX at a time. A thread owns 8 rows: 4 keys of each score tile, and every WX-th run
// of 4 columns of the result. Without OUT there is no result but the largest score or the log-sum-exp.

@group(0) @binding(6) var<storage, read_write> stat: array<f32>; // [heads, lq] if p.stat: 1 log-sum-exp, 2 largest score

/// What the result of each row is multiplied by.
var<workgroup> row_factor: array<vec4f, BQ / 4u>;
/// The keys of a step, and the last of them.
var<workgroup> keys: array<i32, BK>;
var<workgroup> last_key: atomic<i32>;
/// The last key that all rows may see.
var<workgroup> least_limit: atomic<i32>;

@compute @workgroup_size(WX * WY)
fn main(at: Place, me: Lane) {
  let number = number_of(at);
  let parts = p.blocks * p.parts;
  let h = min(number / parts, p.heads - 1u);
  // Under a causal rule later blocks have more to do, so they begin first.
  let turned = parts - 1u - number % parts;
  let block = turned / p.parts;
  let row_in_block = turned % p.parts * BQ;
  let row0 = block * p.blockQ + row_in_block;
  let end = select(0u, min(min(row0 + BQ, (block + 1u) * p.blockQ), p.lq), number / parts < p.heads);
  let tx = me.local % WX;
  let ty = me.local / WX;
  let kv_head = (p.firstInGroup + h) / p.group;
  let qi = p.qBase + h * p.lq * D;
  let ki = p.kBase + kv_head * p.lk * D;
  let vi = p.vBase + kv_head * p.lk * D;
  let bi = p.biasBase + kv_head * p.lk;
  let base = p.planBase + h * p.planHead;
  let tiles = base + p.tilesAt + block * p.tileCap;
  let columns = list_of(base, block);
  let band = band_of(base);

  // This thread's row in the softmax.
  let row = me.local % BQ;
  let part = me.local / BQ * PART;
  let query = query_of(base, row0 + row);
  let alive = row0 + row < end && query < p.lq;
  let limit = limit_of(query);
  let position = i32(query + p.lk - p.lq);
  let bits = base + p.bitsAt + (block * p.tileCap * p.blockQ + min(row_in_block + row, p.blockQ - 1u)) * p.words;
  var top = LOWEST;
  var sum = 0.0;

  // The rows of q or k that this thread fetches.
  let of_q = me.local < Q_BLOCKS;
  let fetch = select(me.local - Q_BLOCKS, me.local, of_q);
  let along = 4u * (fetch % (TD / 4u));
  let beside = fetch / (TD / 4u);
//#for r in 0..4
  var source$r = qi + min(query_of(base, row0 + 4u * beside + $ru), p.lq - 1u) * D;
//#end

  if (me.local == 0u) { atomicStore(&least_limit, NO_KEY); }
  let listed = count_lists(tiles, columns, row0 < end, me.local);
  if (alive) { atomicMin(&least_limit, limit); }
  let in_tiles = listed.x * p.tileSlots;
  let slots = in_tiles + listed.y;
  var key = listed_key(base, tiles, columns, in_tiles, slots, me.local);

//#if OUT
//#for h in 0..2
//#for c in 0..4
//#for j in 0..DV
  var o$h$c_$j = vec4f();
//#end
//#end
//#end
//#end
  for (var slot0 = 0u; slot0 < slots; slot0 += BK) {
    if (me.local < BK) {
      keys[me.local] = key;
      atomicMax(&last_key, key);
      // The next step's is on its way meanwhile.
      key = listed_key(base, tiles, columns, in_tiles, slots, slot0 + BK + me.local);
    }
    workgroupBarrier();
    if (!of_q && me.local < BLOCKS) {
//#for r in 0..4
      source$r = ki + min(u32(keys[beside + $ru * WX]), p.lk - 1u) * D;
//#end
    }
//#for h in 0..2
//#for c in 0..4
    var s$h$c = vec4f();
//#end
//#end
    for (var d0 = 0u; ; d0 += TD) {
      // Fetch this chunk while the one before, which lies in shared memory, is multiplied.
      var f: array<vec4f, 4>;
      if (me.local < BLOCKS && d0 < D) {
        if (of_q) {
//#for r in 0..4
          f[$r] = load_q(source$r, d0 + along);
//#end
        } else {
//#for r in 0..4
          f[$r] = load_k(source$r, d0 + along);
//#end
        }
      }
      if (d0 > 0u) {
//#for d in 0..TD
        {
          let a0 = stage[$d][2u * ty];
          let a1 = stage[$d][2u * ty + 1u];
          let four = stage[$d][SQ + tx];
//#for h in 0..2
//#for c in 0..4
          s$h$c = fma(vec4f(a$h[$c]), four, s$h$c);
//#end
//#end
        }
//#end
      }
      if (d0 >= D) { break; }
      workgroupBarrier();
      if (me.local < BLOCKS) {
        let column = select(SQ, 0u, of_q) + beside;
//#for r in 0..4
        stage[along + $ru][column] = vec4f(f[0][$r], f[1][$r], f[2][$r], f[3][$r]);
//#end
      }
      workgroupBarrier();
    }
    // Scores go to shared memory, so that few threads can fold a whole row.
//#for h in 0..2
//#for e in 0..4
    powers[tx + WX * $eu][2u * ty + $hu] = p.scale * vec4f(s$h0[$e], s$h1[$e], s$h2[$e], s$h3[$e]);
//#end
//#end
    workgroupBarrier();
    var highest = top;
    if (p.plain == 1u && atomicLoad(&last_key) <= atomicLoad(&least_limit)) {
      for (var j = 0u; j < PART; j++) { highest = max(highest, powers[part + j][row / 4u][row % 4u]); }
    } else {
      let listed_bits = bits_of(bits, slot0 + part, in_tiles);
      for (var j = 0u; j < PART; j++) {
        let other = keys[part + j];
        let seen = other <= limit && (other < band.x || position - other < band.y) && extractBits(listed_bits, j, 1u) == 1u;
        var score = powers[part + j][row / 4u][row % 4u];
        if (p.biased == 1u) { score += bias[bi + min(u32(other), p.lk - 1u)]; }
        score = select(LOWEST, score, seen);
        powers[part + j][row / 4u][row % 4u] = score;
        highest = max(highest, score);
      }
    }
    found[me.local] = highest;
    workgroupBarrier();
    if (me.local == 0u) { atomicStore(&last_key, 0); }
    for (var t = 0u; t < PER; t++) { highest = max(highest, found[t * BQ + row]); }
    let fade = exp(top - highest);
    top = highest;
    sum *= fade;
    // The largest score needs no exponentials.
    if (OUT == 1u || p.stat == 1u) {
      for (var j = 0u; j < PART; j++) {
        let score = powers[part + j][row / 4u][row % 4u];
        let power = select(0.0, exp(score - highest), score > LOWEST);
        powers[part + j][row / 4u][row % 4u] = power;
        sum += power;
      }
    }
//#if OUT
    if (me.local < BQ) { row_factor[row / 4u][row % 4u] = fade; }
    workgroupBarrier();
//#for h in 0..2
    {
      let factor = row_factor[2u * ty + $hu];
//#for c in 0..4
//#for j in 0..DV
      o$h$c_$j *= factor[$c];
//#end
//#end
    }
//#end
    for (var v0 = 0u; v0 < BK; v0 += TD) {
      workgroupBarrier();
      for (var i = me.local; i < TD * D4; i += THREADS) {
        // The powers of slots without a key are zeros.
        let other = min(u32(keys[v0 + i / D4]), p.lk - 1u);
        stage[i / D4][i % D4] = load_v(vi + other * D, 4u * (i % D4));
      }
      workgroupBarrier();
//#for u in 0..TD
      {
        let a0 = powers[v0 + $uu][2u * ty];
        let a1 = powers[v0 + $uu][2u * ty + 1u];
//#for j in 0..DV
        let four$j = stage[$u][min(tx + WX * $ju, D4 - 1u)];
//#for h in 0..2
//#for c in 0..4
        o$h$c_$j = fma(vec4f(a$h[$c]), four$j, o$h$c_$j);
//#end
//#end
//#end
      }
//#end
    }
//#else
    workgroupBarrier();
//#end
  }
  workgroupBarrier();
  found[me.local] = sum;
  workgroupBarrier();
  if (me.local < BQ) {
    var total = 0.0;
    for (var t = 0u; t < PER; t++) { total += found[t * BQ + row]; }
    row_factor[row / 4u][row % 4u] = select(0.0, 1.0 / total, total > 0.0);
    if (alive && p.stat > 0u) {
      let value = select(top, top + log(total), p.stat == 1u);
      stat[p.statBase + h * p.lq + query] = select(-infinity(), value, top > LOWEST);
    }
  }
//#if OUT
  workgroupBarrier();
  // Written in a loop: once is enough of the code.
  var mixes = array<vec4f, 8u * DV>(
//#for h in 0..2
//#for c in 0..4
//#for j in 0..DV
    o$h$c_$j,
//#end
//#end
//#end
  );
  for (var r = 0u; r < 8u; r++) {
    let i = row0 + 8u * ty + r;
    let to = query_of(base, i);
    if (i < end && to < p.lq) {
      let factor = row_factor[2u * ty + r / 4u][r % 4u];
      let oi = p.outBase + (h * p.lq + to) * D;
      for (var j = 0u; j < DV; j++) { store(oi, 4u * (tx + WX * j), mixes[r * DV + j] * factor); }
    }
  }
//#end
}
