// How many slots from each one on are of one class with ranks in sequence, 32 at most; 0 if the slot is of no class. One thread
// owns one slot.
@group(0) @binding(0) var<storage, read> keys: array<i32>; // [heads, 2, lk]: class, rank
@group(0) @binding(1) var<storage, read_write> out: array<u32>; // [heads, lk]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.heads * p.lk) { return; }
  let slot = i % p.lk;
  let at_class = i / p.lk * 2u * p.lk + slot;
  let at_rank = at_class + p.lk;
  let kind = keys[at_class];
  let rank = keys[at_rank];
  var n = 0u;
  if (kind >= 0 && kind < i32(p.keyClasses) && rank >= 0) {
    let most = min(32u, p.lk - slot);
    for (n = 1u; n < most; n++) {
      if (keys[at_class + n] != kind || keys[at_rank + n] != rank + i32(n)) { break; }
    }
  }
  out[i] = n;
}
