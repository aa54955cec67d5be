// Sorting SIZE pairs in the memory of a workgroup, descending by `before`.
//#if SIZE
var<workgroup> sorted: array<vec2u, SIZE>;

/// Merges neighbouring halves of blocks of `size` pairs (Batcher's bitonic merge), or does the last steps of it if a block is
/// larger than the workgroup's memory. `begin` is the number of the first pair: every other block comes out ascending.
fn merge_blocks(size: u32, begin: u32, me: Lane) {
  for (var step = min(size, SIZE) / 2u; step > 0u; step /= 2u) {
    for (var i = me.local; i < SIZE / 2u; i += THREADS) {
      let a = 2u * i - (i & (step - 1u));
      let b = a + step;
      let descending = ((begin + a) & size) == 0u;
      if (before(sorted[b], sorted[a]) == descending) {
        let held = sorted[a];
        sorted[a] = sorted[b];
        sorted[b] = held;
      }
    }
    workgroupBarrier();
  }
}
//#end
