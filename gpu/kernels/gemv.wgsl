// out [m, n] = act(alpha x w^T * scales + bias) + residual for few rows (m at most M), as fast as w can be read.
// A workgroup owns 4 outputs of all rows; its threads walk along k side by side and add up at the end.

var<workgroup> sums: array<vec4f, THREADS * M>;

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let each = (p.n + 3u) / 4u;
  let number = number_of(at);
  let entry = number / each;
  let col = 4u * (number % each);
  let k = select(0u, p.k, entry < p.batch);
//#for i in 0..M
  var s$i = vec4f();
//#end
  for (var c = 4u * me.local; c < k; c += 4u * THREADS) {
//#for j in 0..4
    let w$j = load_w(p.wBase + entry * p.wBatch, col + $ju, c);
//#end
//#for i in 0..M
    {
      let row = load_x(p.xBase + entry * p.xBatch, $iu, c);
      s$i += vec4f(dot(row, w0), dot(row, w1), dot(row, w2), dot(row, w3));
    }
//#end
  }
//#for i in 0..M
  sums[$iu * THREADS + me.local] = s$i;
//#end
  workgroupBarrier();
  for (var step = THREADS / 2u; step > 0u; step /= 2u) {
    if (me.local < step) {
//#for i in 0..M
      sums[$iu * THREADS + me.local] += sums[$iu * THREADS + me.local + step];
//#end
    }
    workgroupBarrier();
  }
  if (me.local < p.m && entry < p.batch) {
    write(sums[me.local * THREADS], col, p.outBase + (entry * p.m + me.local) * p.stride + p.column + col);
  }
}
