// Draws a column of each row by softmax(scale x): the largest of scale x + Gumbel noise. One workgroup owns one row.
// The noise is a hash of seed, draw, row and column (PCG, Jarzynski and Olano 2020), so that every device draws the same.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, cols]
@group(0) @binding(1) var<storage, read_write> out: array<i32>; // [rows]

const LOWEST = -3.4e38;

var<workgroup> best: array<f32, THREADS>;
var<workgroup> place: array<u32, THREADS>;

fn pcg(v: u32) -> u32 {
  let s = v * 747796405u + 2891336453u;
  let w = ((s >> ((s >> 28u) + 4u)) ^ s) * 277803737u;
  return (w >> 22u) ^ w;
}

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let row = number_of(at);
  let cols = select(0u, p.cols, row < p.rows);
  let seed = pcg(p.first + row + pcg(p.draw + pcg(p.seed)));
  var value = -infinity();
  var column = 0xffffffffu;
  for (var c = me.local; c < cols; c += THREADS) {
    let logit = x[row * p.cols + c];
    let u = (f32(pcg(c + seed) >> 9u) + 0.5) * 1.1920929e-7;
    let noisy = p.scale * logit - log(-log(u));
    if (logit > LOWEST && (column == 0xffffffffu || noisy > value)) {
      value = noisy;
      column = c;
    }
  }
  best[me.local] = value;
  place[me.local] = column;
  workgroupBarrier();
  for (var step = THREADS / 2u; step > 0u; step /= 2u) {
    if (me.local < step) {
      let other = me.local + step;
      let wins = best[other] > best[me.local] || (best[other] == best[me.local] && place[other] < place[me.local]);
      if (place[other] != 0xffffffffu && (place[me.local] == 0xffffffffu || wins)) {
        best[me.local] = best[other];
        place[me.local] = place[other];
      }
    }
    workgroupBarrier();
  }
  if (me.local == 0u && row < p.rows) { out[row] = i32(select(place[0], 0u, place[0] == 0xffffffffu)); }
}
