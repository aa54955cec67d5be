// A workgroup of THREADS threads owns THREADS / LANES rows; LANES threads share one row and fold what they found.
var<workgroup> folded: array<f32, THREADS>;

fn pick(a: f32, b: f32, kind: u32) -> f32 {
  switch kind {
    case 2u: { return max(a, b); }
    case 3u: { return min(a, b); }
    default: { return a + b; }
  }
}

/// What all lanes of this thread's row found together, by the kind of a reduction: 2 largest, 3 smallest, else the sum.
fn fold(value: f32, me: Lane, kind: u32) -> f32 {
//#if SUBGROUPS
  // LANES is THREADS here: one row, whose subgroups fold first.
  var mine = value;
  switch kind {
    case 2u: { mine = subgroupMax(value); }
    case 3u: { mine = subgroupMin(value); }
    default: { mine = subgroupAdd(value); }
  }
  if (me.local % me.width == 0u) { folded[me.local / me.width] = mine; }
  workgroupBarrier();
  var all = folded[0];
  for (var i = 1u; i < THREADS / me.width; i++) { all = pick(all, folded[i], kind); }
  workgroupBarrier();
  return all;
//#else
  folded[me.local] = value;
  workgroupBarrier();
  let lane = me.local % LANES;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    if (lane < step) { folded[me.local] = pick(folded[me.local], folded[me.local + step], kind); }
    workgroupBarrier();
  }
  let all = folded[me.local - lane];
  workgroupBarrier();
  return all;
//#end
}
