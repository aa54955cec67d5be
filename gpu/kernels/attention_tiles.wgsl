// softmax(scale q k^T) v by online softmax over tiles of BQ queries and BK keys, for long sequences.
// A workgroup of WX x WY threads owns BQ = 8 WY queries of one head. A thread owns 8 queries of them: 4 keys of each score
// tile, and every WX-th run of 4 columns of the result. Operands pass through shared memory, turned as in gemm.wgsl.

var<workgroup> row_top: array<f32, BQ>;
var<workgroup> row_sum: array<f32, BQ>;
var<workgroup> row_fade: array<vec4f, BQ / 4u>;

@compute @workgroup_size(WX * WY)
fn main(at: Place, me: Lane) {
  let tiles = (p.lq + BQ - 1u) / BQ;
  let number = number_of(at);
  let b = number / (tiles * p.heads);
  let h = number / tiles % p.heads;
  let alive = b < p.batch;
  // Under a causal rule later tiles have more to do, so they begin first.
  let row0 = (tiles - 1u - number % tiles) * BQ;
  let tx = me.local % WX;
  let ty = me.local / WX;
  let qi = p.qBase + b * p.qBatch + h * p.qHead;
  let ki = p.kBase + b * p.kBatch + h / p.group * p.kHead;
  let vi = p.vBase + b * p.vBatch + h / p.group * p.vHead;
  var keys = 0u;
  if (alive) { keys = keys_for(b, min(row0 + BQ, p.lq) - 1u); }

//#for h in 0..2
//#for c in 0..4
//#for j in 0..DV
  var o$h$c_$j = vec4f();
//#end
//#end
//#end
  if (me.local < BQ) {
    row_top[me.local] = LOWEST;
    row_sum[me.local] = 0.0;
  }
  for (var key0 = 0u; key0 < keys; key0 += BK) {
//#for h in 0..2
//#for c in 0..4
    var s$h$c = vec4f();
//#end
//#end
    for (var d0 = 0u; ; d0 += TD) {
      // Fetch this chunk while the one before, which lies in shared memory, is multiplied.
      var f: array<vec4f, 4>;
      let of_q = me.local < Q_BLOCKS;
      let block = select(me.local - Q_BLOCKS, me.local, of_q);
      let along = block % (TD / 4u);
      let beside = block / (TD / 4u);
      if (me.local < BLOCKS && d0 < D) {
        if (of_q) {
          let first = row0 + 4u * beside;
//#if VEC
//#for r in 0..4
          f[$r] = load_q(qi + min(first + $ru, p.lq - 1u) * p.qRow, d0 + 4u * along);
//#end
//#else
          for (var r = 0u; r < 4u && first + r < p.lq; r++) { f[r] = load_q(qi + (first + r) * p.qRow, d0 + 4u * along); }
//#end
        } else {
          let first = key0 + beside;
//#if VEC
//#for r in 0..4
          f[$r] = load_k(ki + min(first + $ru * WX, keys - 1u) * p.kRow, d0 + 4u * along);
//#end
//#else
          for (var r = 0u; r < 4u && first + r * WX < keys; r++) { f[r] = load_k(ki + (first + r * WX) * p.kRow, d0 + 4u * along); }
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
        stage[4u * along + $ru][column] = vec4f(f[0][$r], f[1][$r], f[2][$r], f[3][$r]);
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
    let row = me.local % BQ;
    let part = me.local / BQ * PART;
    var highest = LOWEST;
    let i = min(row0 + row, p.lq - 1u);
    let seen = select(0u, keys_for(b, i), row0 + row < p.lq);
    for (var j = 0u; j < PART; j++) {
      let key = key0 + part + j;
      if (key < seen && sees(i, key)) { highest = max(highest, powers[part + j][row / 4u][row % 4u]); }
      else { powers[part + j][row / 4u][row % 4u] = LOWEST; }
    }
    found[me.local] = highest;
    workgroupBarrier();
    let before = row_top[row];
    highest = before;
    for (var t = 0u; t < PER; t++) { highest = max(highest, found[t * BQ + row]); }
    var sum = 0.0;
    for (var j = 0u; j < PART; j++) {
      let score = powers[part + j][row / 4u][row % 4u];
      let power = select(0.0, exp(score - highest), score > LOWEST);
      powers[part + j][row / 4u][row % 4u] = power;
      sum += power;
    }
    workgroupBarrier();
    found[me.local] = sum;
    workgroupBarrier();
    if (me.local < BQ) {
      let fade = exp(before - highest);
      var total = row_sum[row] * fade;
      for (var t = 0u; t < PER; t++) { total += found[t * BQ + row]; }
      row_sum[row] = total;
      row_top[row] = highest;
      row_fade[row / 4u][row % 4u] = fade;
    }
    workgroupBarrier();
//#for h in 0..2
    {
      let fade = row_fade[2u * ty + $hu];
//#for c in 0..4
//#for j in 0..DV
      o$h$c_$j *= fade[$c];
//#end
//#end
    }
//#end
    for (var v0 = 0u; v0 < BK; v0 += TD) {
      workgroupBarrier();
      for (var i = me.local; i < TD * D4; i += THREADS) {
        // The powers of keys too many are zeros.
        let j = min(key0 + v0 + i / D4, keys - 1u);
        stage[i / D4][i % D4] = load_v(vi + j * p.vRow, 4u * (i % D4));
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
  }
  if (!alive) { return; }
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
    let row = 8u * ty + r;
    let i = row0 + row;
    if (i < p.lq) {
      let sum = row_sum[row];
      let factor = select(0.0, 1.0 / sum, sum > 0.0);
      let oi = p.outBase + b * p.outBatch + h * p.outHead + i * p.outRow;
      for (var j = 0u; j < DV; j++) { store(oi, 4u * (tx + WX * j), mixes[r * DV + j] * factor); }
      if (tx == 0u) { store_lse(b, h, i, row_top[row], sum); }
    }
  }
}
