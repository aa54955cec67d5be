// The `take` largest of each row, lower column first among equals, in no order. COUNT: how many numbers have each value of their
// first 11 bits; a workgroup owns PER numbers and EACH values for each of its threads. SPLIT: those above the value that the last of the largest
// has are taken, those that have it are candidates. Else one workgroup for each row takes the rest of them.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, cols]
@group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>>; // [rows, BINS + 2]: of each value; taken, candidates
@group(0) @binding(2) var<storage, read_write> candidates: array<vec2u>; // [rows, cols]: order-keeping bits and column
@group(0) @binding(3) var<storage, read_write> taken: array<vec2u>; // [rows, p.size], unless APART
@group(0) @binding(4) var<storage, read_write> values: array<f32>; // [rows, p.size] if APART
@group(0) @binding(5) var<storage, read_write> indices: array<i32>; // [rows, p.size] if APART

const STRIDE: u32 = BINS + 2u;

fn take(place: u32, pair: vec2u) {
//#if APART
  values[place] = value_of(pair.x);
  indices[place] = i32(pair.y);
//#else
  taken[place] = pair;
//#end
}

//#if PER
//#if SPLIT
/// How many are taken and how many candidates there are, here and before.
var<workgroup> own: array<atomic<u32>, 2>;
var<workgroup> places: array<u32, 2>;

//#end
@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let number = number_of(at);
  let row = min(number / p.chunks, p.rows - 1u);
  let begin = number % p.chunks * (THREADS * PER) + me.local;
  let end = select(0u, p.cols, number / p.chunks < p.rows);
//#for i in 0..PER
  let c$i = begin + $iu * THREADS;
  let key$i = key_of(x[row * p.cols + min(c$i, p.cols - 1u)]);
//#end
//#if COUNT
  clear_bins(me);
//#for i in 0..PER
  if (c$i < end) { atomicAdd(&bins[key$i >> 21u], 1u); }
//#end
  workgroupBarrier();
//#for i in 0..EACH
  let count$i = atomicLoad(&bins[me.local + $iu * THREADS]);
  if (count$i > 0u) { atomicAdd(&counts[row * STRIDE + me.local + $iu * THREADS], count$i); }
//#end
//#else
//#for i in 0..EACH
  let count$i = atomicLoad(&counts[row * STRIDE + me.local + $iu * THREADS]);
//#end
//#for i in 0..EACH
  atomicStore(&bins[me.local + $iu * THREADS], count$i);
//#end
  let bin = pick(p.take, me).x;
  if (me.local < 2u) { atomicStore(&own[me.local], 0u); }
  workgroupBarrier();
  var mine = vec2u();
//#for i in 0..PER
  if (c$i < end) { mine += vec2u(select(0u, 1u, key$i >> 21u > bin), select(0u, 1u, key$i >> 21u == bin)); }
//#end
  let before = vec2u(atomicAdd(&own[0], mine.x), atomicAdd(&own[1], mine.y));
  workgroupBarrier();
  if (me.local < 2u) { places[me.local] = atomicAdd(&counts[row * STRIDE + BINS + me.local], atomicLoad(&own[me.local])); }
  workgroupBarrier();
  var place = before + vec2u(row * p.size + places[0], row * p.cols + places[1]);
//#for i in 0..PER
  if (c$i < end && key$i >> 21u > bin) {
    take(place.x, vec2u(key$i, c$i));
    place.x++;
  }
  if (c$i < end && key$i >> 21u == bin) {
    candidates[place.y] = vec2u(key$i, c$i);
    place.y++;
  }
//#end
//#end
}
//#else
var<workgroup> place: atomic<u32>;
var<workgroup> known: vec2u;

/// The n-th digit of what candidates are ordered by: the rest of their bits, then the column backwards.
fn digit_of(candidate: vec2u, n: u32) -> u32 {
  switch n {
    case 0u: { return extractBits(candidate.x, 10u, 11u); }
    case 1u: { return extractBits(candidate.x, 0u, 10u); }
    case 2u: { return ~candidate.y >> 21u; }
    case 3u: { return extractBits(~candidate.y, 10u, 11u); }
    default: { return extractBits(~candidate.y, 0u, 10u); }
  }
}

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let row = min(number_of(at), p.rows - 1u);
  if (me.local == 0u) {
    known = vec2u(atomicLoad(&counts[row * STRIDE + BINS]), atomicLoad(&counts[row * STRIDE + BINS + 1u]));
    atomicStore(&place, known.x);
  }
  let begin = workgroupUniformLoad(&known);
  let count = select(0u, begin.y, number_of(at) < p.rows);
  // Of those that agree with the last one to be taken in all digits up to now, `wanted` are taken.
  var wanted = p.take - begin.x;
  var digits = 0u;
  var last: array<u32, 5>;
  var left = count;
  while (digits < 5u && wanted < left) {
    clear_bins(me);
    for (var i = me.local; i < count; i += THREADS) {
      let candidate = candidates[row * p.cols + i];
      var agrees = true;
      for (var n = 0u; n < digits; n++) { agrees = agrees && digit_of(candidate, n) == last[n]; }
      if (agrees) { atomicAdd(&bins[digit_of(candidate, digits)], 1u); }
    }
    let found = pick(wanted, me);
    last[digits] = found.x;
    digits++;
    wanted -= found.y;
    if (me.local == 0u) { known.x = atomicLoad(&bins[found.x]); }
    left = workgroupUniformLoad(&known).x;
  }
  for (var i = me.local; i < count; i += THREADS) {
    let candidate = candidates[row * p.cols + i];
    var n = 0u;
    while (n < digits && digit_of(candidate, n) == last[n]) { n++; }
    if (n == digits || digit_of(candidate, n) > last[n]) {
      take(row * p.size + atomicAdd(&place, 1u), candidate);
    }
  }
}
//#end
