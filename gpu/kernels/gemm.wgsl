// out [m, n] = act(alpha x w^T * scales + bias) + residual, for each entry of a batch.
// A workgroup of WX x WX threads owns a tile of T x T sums, T = 8 WX; a thread owns 8 rows and two runs of 4 columns of it.
// Both operands pass through shared memory in steps of TK along k, turned so that neighbours along m and n lie side by side;
// the next step is fetched while this one is multiplied. Each thread fetches one 4 x 4 block: TK = WX.

const T: u32 = 8u * WX;
/// Vectors of a turned row; the odd one spreads the writes over the banks.
const S: u32 = T / 4u + 1u;
const HALF: u32 = WX * WX / 2u;

/// Rows come first and are numbered by the unrolled loop, so that bounds are checked once for all of them.
var<workgroup> tile_x: array<array<vec4f, S>, TK>;
var<workgroup> tile_w: array<array<vec4f, S>, TK>;

@compute @workgroup_size(WX * WX)
fn main(at: Place, me: Lane) {
  let across = (p.n + T - 1u) / T;
  let down = (p.m + T - 1u) / T;
  let number = number_of(at);
  let entry = number / (across * down);
  // Tiles are walked in bands of eight rows, so that neighbours in time share what they read.
  let inside = number % (across * down);
  let band = inside / (8u * across);
  let height = min(down - 8u * band, 8u);
  let row0 = (8u * band + inside % (8u * across) % height) * T;
  let col0 = inside % (8u * across) / height * T;
  let alive = entry < p.batch;

  let of_x = me.local < HALF;
  let block = me.local % HALF;
  let along = block % (TK / 4u);
  let beside = block / (TK / 4u);
  let start = select(p.wBase + entry * p.wBatch, p.xBase + entry * p.xBatch, of_x);
  let first = select(col0, row0, of_x) + 4u * beside;

  let tx = me.local % WX;
  let ty = me.local / WX;
//#for h in 0..2
//#for c in 0..4
  var s$h$c_0 = vec4f();
  var s$h$c_1 = vec4f();
//#end
//#end
  var f: array<vec4f, 4>;
  for (var k0 = 0u; ; k0 += TK) {
    // Fetch this step while the one before, which lies in shared memory, is multiplied.
    let next = k0 + 4u * along;
    if (alive && of_x) {
//#if VEC
//#for i in 0..4
      f[$i] = load_x(start, first + $iu, next);
//#end
//#else
      for (var i = 0u; i < 4u; i++) { f[i] = load_x(start, first + i, next); }
//#end
    } else if (alive) {
//#if VEC
//#for i in 0..4
      f[$i] = load_w(start, first + $iu, next);
//#end
//#else
      for (var i = 0u; i < 4u; i++) { f[i] = load_w(start, first + i, next); }
//#end
    }
    if (k0 > 0u) {
//#for kk in 0..TK
      {
        let a0 = tile_x[$kk][2u * ty];
        let a1 = tile_x[$kk][2u * ty + 1u];
        let b0 = tile_w[$kk][tx];
        let b1 = tile_w[$kk][tx + WX];
//#for h in 0..2
//#for c in 0..4
        s$h$c_0 = fma(vec4f(a$h[$c]), b0, s$h$c_0);
        s$h$c_1 = fma(vec4f(a$h[$c]), b1, s$h$c_1);
//#end
//#end
      }
//#end
    }
    if (k0 >= p.k) { break; }
    workgroupBarrier();
    if (of_x) {
//#for j in 0..4
      tile_x[4u * along + $ju][beside] = vec4f(f[0][$j], f[1][$j], f[2][$j], f[3][$j]);
//#end
    } else {
//#for j in 0..4
      tile_w[4u * along + $ju][beside] = vec4f(f[0][$j], f[1][$j], f[2][$j], f[3][$j]);
//#end
    }
    workgroupBarrier();
  }
  if (!alive) { return; }
  // Written in a loop: once is enough of the epilogue's code.
  var rows = array<vec4f, 16>(
//#for h in 0..2
//#for c in 0..4
    s$h$c_0, s$h$c_1,
//#end
//#end
  );
  for (var r = 0u; r < 8u; r++) {
    let row = row0 + 8u * ty + r;
    if (row < p.m) {
      let i = p.outBase + (entry * p.m + row) * p.stride + p.column + col0 + 4u * tx;
      write(rows[2u * r], col0 + 4u * tx, i);
      write(rows[2u * r + 1u], col0 + 4u * (tx + WX), i + 4u * WX);
    }
  }
}
