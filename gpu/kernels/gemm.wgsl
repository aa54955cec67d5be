// out [m, n] = act(alpha x w^T * scales + bias) + residual, for each entry of a batch.
// A workgroup of WX x WY threads owns a tile of TM x TN sums; a thread owns 8 rows and NV runs of 4 columns of it.
// Both operands pass through shared memory in steps of TK along k, turned so that neighbours along m and n lie side by side;
// the next step is fetched while this one is multiplied. Each thread fetches one 4 x 4 block.

const TM: u32 = 8u * WY;
const TN: u32 = 4u * NV * WX;
const X_BLOCKS: u32 = TM / 4u * (TK / 4u);

/// Rows come first and are numbered by the unrolled loop, so that bounds are checked once for all of them; one vector too
/// many in each spreads the writes over the banks.
var<workgroup> tile_x: array<array<vec4f, TM / 4u + 1u>, TK>;
var<workgroup> tile_w: array<array<vec4f, TN / 4u + 1u>, TK>;

@compute @workgroup_size(WX * WY)
fn main(at: Place, me: Lane) {
  let across = (p.n + TN - 1u) / TN;
  let down = (p.m + TM - 1u) / TM;
  let number = number_of(at);
  let entry = number / (across * down);
  // Tiles are walked in bands of eight rows, so that neighbours in time share what they read.
  let inside = number % (across * down);
  let band = inside / (8u * across);
  let height = min(down - 8u * band, 8u);
  let row0 = (8u * band + inside % (8u * across) % height) * TM;
  let col0 = inside % (8u * across) / height * TN;
  let alive = entry < p.batch;

  let of_x = me.local < X_BLOCKS;
  let block = select(me.local - X_BLOCKS, me.local, of_x);
  let along = block % (TK / 4u);
  let beside = block / (TK / 4u);
  let known = min(entry, p.batch - 1u);
  let start = select(p.wBase + known * p.wBatch, p.xBase + known * p.xBatch, of_x);
  let first = select(col0, row0, of_x) + 4u * beside;

  let tx = me.local % WX;
  let ty = me.local / WX;
//#for h in 0..2
//#for c in 0..4
//#for v in 0..NV
  var s$h$c_$v = vec4f();
//#end
//#end
//#end
  var f: array<vec4f, 4>;
  for (var k0 = 0u; ; k0 += TK) {
    // Fetch this step while the one before, which lies in shared memory, is multiplied.
    let next = k0 + 4u * along;
    if (of_x) {
//#if VEC
//#for i in 0..4
      f[$i] = load_x(start, first + $iu, next);
//#end
//#else
      for (var i = 0u; i < 4u; i++) { f[i] = load_x(start, first + i, next); }
//#end
    } else {
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
//#for v in 0..NV
        let b$v = tile_w[$kk][tx + $vu * WX];
//#for h in 0..2
//#for c in 0..4
        s$h$c_$v = fma(vec4f(a$h[$c]), b$v, s$h$c_$v);
//#end
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
  var sums = array<vec4f, 8u * NV>(
//#for h in 0..2
//#for c in 0..4
//#for v in 0..NV
    s$h$c_$v,
//#end
//#end
//#end
  );
  for (var r = 0u; r < 8u; r++) {
    let row = row0 + 8u * ty + r;
    if (row < p.m) {
      let i = p.outBase + (entry * p.m + row) * p.stride + p.column;
      for (var v = 0u; v < NV; v++) {
        let col = col0 + 4u * (tx + v * WX);
        write(sums[r * NV + v], col, i + col);
      }
    }
  }
}
