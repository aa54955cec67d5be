// softmax(scale q k^T) v by online softmax, for narrow heads or short sequences. One thread owns one query of one head.

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let number = number_of(at) * THREADS + me.local;
  if (number >= p.batch * p.heads * p.lq) { return; }
  let b = number / (p.heads * p.lq);
//#if HEADS_FIRST
  // Heads lie side by side: neighbours read neighbouring heads of one row.
  let h = number % p.heads;
  let i = number / p.heads % p.lq;
//#else
  let i = number % p.lq;
  let h = number / p.lq % p.heads;
//#end
  let qi = p.qBase + b * p.qBatch + h * p.qHead + i * p.qRow;
  let ki = p.kBase + b * p.kBatch + h / p.group * p.kHead;
  let vi = p.vBase + b * p.vBatch + h / p.group * p.vHead;
//#for d in 0..D4
  let q$d = load_q(qi, 4u * $du) * p.scale;
  var o$d = vec4f();
//#end
  let keys = keys_for(b, i);
  var top = LOWEST;
  var sum = 0.0;
  for (var j = 0u; j < keys; j += 4u) {
    var scores = vec4f(LOWEST);
//#for t in 0..4
    let k$t = ki + min(j + $tu, keys - 1u) * p.kRow;
    let v$t = vi + min(j + $tu, keys - 1u) * p.vRow;
    if (j + $tu < keys && sees(i, j + $tu)) {
      scores[$t] = 0.0
//#for d in 0..D4
        + dot(q$d, load_k(k$t, 4u * $du))
//#end
        ;
    }
//#end
    let highest = max(top, max(max(scores.x, scores.y), max(scores.z, scores.w)));
    let fade = exp(top - highest);
    let powers = select(vec4f(), exp(scores - highest), scores > vec4f(LOWEST));
    top = highest;
    sum = fma(sum, fade, powers.x + powers.y + powers.z + powers.w);
//#for d in 0..D4
    o$d *= fade;
//#for t in 0..4
    o$d = fma(vec4f(powers[$t]), load_v(v$t, 4u * $du), o$d);
//#end
//#end
  }
  let factor = select(0.0, 1.0 / sum, sum > 0.0);
  let oi = p.outBase + b * p.outBatch + h * p.outHead + i * p.outRow;
//#for d in 0..D4
  store(oi, 4u * $du, o$d * factor);
//#end
  store_lse(b, h, i, top, sum);
}
