// Sums over the rows of maps: by column and, with DIAGONALS, by distance starts[r] - j. The rows of a map are cut into p.parts
// parts of p.each; one thread owns one column and one distance of one part. Windows begin at elements p.xBase and p.outBase.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [batch, n, length]
@group(0) @binding(1) var<storage, read> starts: array<i32>; // [n] if DIAGONALS
@group(0) @binding(2) var<storage, read_write> columns: array<f32>; // [batch, parts, length]
@group(0) @binding(3) var<storage, read_write> diagonals: array<f32>; // [batch, parts, length] if DIAGONALS

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.batch * p.parts * p.length) { return; }
  let j = i % p.length;
  let part = i / p.length;
  let map = part / p.parts * p.n;
  let begin = part % p.parts * p.each;
  let end = min(begin + p.each, p.n);
  var column = 0.0;
//#if DIAGONALS
  // The distance whose diagonal is in this column in the last row, so that both sums read the same neighbourhood.
  let turn = u32(clamp(starts[p.n - 1u], 0, i32(p.length) - 1));
  let distance = (turn + p.length - j) % p.length;
  var diagonal = 0.0;
//#end
  for (var r = begin; r < end; r++) {
    let row = p.xBase + (map + r) * p.length;
    column += x[row + j];
//#if DIAGONALS
    let start = starts[r];
    if (start >= i32(distance) && start - i32(distance) < i32(p.length)) {
      diagonal += x[row + u32(start) - distance];
    }
//#end
  }
  columns[p.outBase + i] = column;
//#if DIAGONALS
  diagonals[p.outBase + part * p.length + distance] = diagonal;
//#end
}
