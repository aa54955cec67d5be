// Cached rows as plain numbers, zeros where one is missing. A thread owns 4 C4 columns of a row.
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [heads, p.count, D]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  let lanes = (D + 4u * C4 - 1u) / (4u * C4);
  if (i >= p.heads * p.count * lanes) { return; }
  let column = i % lanes * (4u * C4);
  let row = i / lanes % p.count;
  let head = i / (lanes * p.count);
  let place = place_of(head, p.first + row);
  let there = place != MISSING;
  let read = load_k(p.kBase + head * p.kHead, p.kNotes + head * p.notesHead, select(0u, place, there), column, p.kind == 1u);
  let to = p.outBase + (head * p.count + row) * D + column;
//#for j in 0..C4
  {
    let columns = four(read, column, $ju);
    for (var c = 0u; c < 4u && column + 4u * $ju + c < D; c++) { out[to + 4u * $ju + c] = select(0.0, columns[c], there); }
  }
//#end
}
