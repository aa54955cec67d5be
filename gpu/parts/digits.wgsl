// Radix selection: how many numbers have each value of a digit, and which value the wanted one has.
const BINS: u32 = 2048u;

var<workgroup> bins: array<atomic<u32>, BINS>;
var<workgroup> totals: array<u32, THREADS>;
var<workgroup> picked: vec2u;

fn clear_bins(me: Lane) {
  for (var i = me.local; i < BINS; i += THREADS) { atomicStore(&bins[i], 0u); }
  workgroupBarrier();
}

/// The bin of the `wanted`-th largest number (from 1), and how many numbers lie in higher bins.
fn pick(wanted: u32, me: Lane) -> vec2u {
  // A thread owns neighbouring bins, the first thread the highest.
  let each = BINS / THREADS;
  let highest = BINS - 1u - me.local * each;
  workgroupBarrier();
  var total = 0u;
  for (var i = 0u; i < each; i++) { total += atomicLoad(&bins[highest - i]); }
  totals[me.local] = total;
  workgroupBarrier();
  // Hillis and Steele over the threads' sums.
  for (var step = 1u; step < THREADS; step *= 2u) {
    var add = 0u;
    if (me.local >= step) { add = totals[me.local - step]; }
    workgroupBarrier();
    totals[me.local] += add;
    workgroupBarrier();
  }
  var above = totals[me.local] - total;
  if (above < wanted && wanted <= above + total) {
    for (var i = 0u; i < each; i++) {
      let count = atomicLoad(&bins[highest - i]);
      if (above + count >= wanted) {
        picked = vec2u(highest - i, above);
        break;
      }
      above += count;
    }
  }
  return workgroupUniformLoad(&picked);
}
