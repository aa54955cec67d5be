// Folds what the chunks of cached rows found, and with p.merge what out and lse hold already. A workgroup owns one query head;
// WIDTH threads own four columns each, and THREADS / WIDTH of them share the chunks.
@group(0) @binding(0) var<storage, read> parts: array<vec4f>; // [heads, p.chunks, D4 + 1]: the mix; largest score and sum of powers
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [heads, D]
@group(0) @binding(2) var<storage, read_write> lse: array<f32>; // [heads]

const LOWEST = -3.4e38;
const D4: u32 = (D + 3u) / 4u;

var<workgroup> mixes: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let h = number_of(at);
  let alive = h < p.heads;
  let head = min(h, p.heads - 1u);
  let chunks = select(0u, p.chunks, alive);
  let first = head * p.chunks * (D4 + 1u);
  var before = LOWEST;
  if (p.merge == 1u) { before = lse[p.lseBase + head]; }
  var top = LOWEST;
  for (var c = me.local; c < chunks; c += THREADS) { top = max(top, parts[first + c * (D4 + 1u) + D4].x); }
  top = fold(top, me, 2u);
  var sum = 0.0;
  for (var c = me.local; c < chunks; c += THREADS) {
    let found = parts[first + c * (D4 + 1u) + D4].xy;
    sum = fma(found.y, exp(found.x - top), sum);
  }
  sum = fold(sum, me, 0u);
  let column = me.local % WIDTH;
  var mix = vec4f();
  for (var c = me.local / WIDTH; c < chunks; c += THREADS / WIDTH) {
    let from_ = first + c * (D4 + 1u);
    mix = fma(parts[from_ + min(column, D4 - 1u)], vec4f(exp(parts[from_ + D4].x - top)), mix);
  }
  mixes[me.local] = mix;
  workgroupBarrier();
  if (!alive || me.local >= D4) { return; }
  mix = vec4f();
  for (var s = me.local; s < THREADS; s += WIDTH) { mix += mixes[s]; }

  // The weights of what was there before and of the sum over the chunks.
  let any = sum > 0.0;
  let earlier = before > LOWEST;
  let now = select(LOWEST, top + log(sum), any);
  let highest = max(now, select(LOWEST, before, earlier));
  let old = select(0.0, exp(before - highest), earlier);
  let new_ = select(0.0, exp(now - highest), any);
  let both = old + new_;
  for (var j = 0u; j < 4u && 4u * me.local + j < D; j++) {
    let i = p.outBase + head * D + 4u * me.local + j;
    var value = select(0.0, mix[j] / sum * (new_ / both), any);
    if (earlier) { value += out[i] * (old / both); }
    out[i] = value;
  }
  if (me.local == 0u) { lse[p.lseBase + head] = select(-infinity(), highest + log(both), any || earlier); }
}
