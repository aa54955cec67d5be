// Prefix sums of rows. One workgroup owns one chunk of CHUNK columns of a row.
// With SUMS it writes only the sum of its chunk; else it adds what `before` says of the chunks before it.
//#if INTEGER
alias T = i32;
//#else
alias T = f32;
//#end
@group(0) @binding(0) var<storage, read> x: array<T>; // [rows, cols]
@group(0) @binding(1) var<storage, read> before: array<T>; // [rows, chunks] if HAS_BEFORE
@group(0) @binding(2) var<storage, read_write> out: array<T>; // [rows, cols], or [rows, chunks] with SUMS

const EACH: u32 = CHUNK / THREADS;

var<workgroup> totals: array<T, THREADS>;

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let number = number_of(at);
  let row = number / p.chunks;
  let chunk = number % p.chunks;
  let begin = chunk * CHUNK + me.local * EACH;
  let end = select(0u, min(begin + EACH, p.cols), row < p.rows);
  var sum = T(0);
  for (var c = begin; c < end; c++) { sum += x[row * p.cols + c]; }
  totals[me.local] = sum;
  workgroupBarrier();
  // Hillis and Steele over the threads' sums.
  for (var step = 1u; step < THREADS; step *= 2u) {
    var add = T(0);
    if (me.local >= step) { add = totals[me.local - step]; }
    workgroupBarrier();
    totals[me.local] += add;
    workgroupBarrier();
  }
//#if SUMS
  if (me.local == 0u && row < p.rows) { out[number] = totals[THREADS - 1u]; }
//#else
  var running = totals[me.local] - sum;
//#if HAS_BEFORE
  running += before[min(number, p.rows * p.chunks - 1u)];
//#end
  for (var c = begin; c < end; c++) {
    let value = x[row * p.cols + c];
    out[row * p.cols + c] = select(running + value, running, p.exclusive == 1u);
    running += value;
  }
//#end
}
