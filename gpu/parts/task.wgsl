// What a workgroup owns of cached rows: one chunk of them, and up to R query heads that share a key head.
struct Task {
  chunk: u32,
  kv_head: u32,
  first_head: u32,
  /// How many query heads; none for a workgroup too many, whose other numbers are within bounds.
  heads: u32,
}

/// Workgroups that read the same rows are neighbours.
fn task_of(at: Place) -> Task {
  let blocks = (p.group + R - 1u) / R;
  let number = number_of(at);
  let block = number % blocks;
  let kv_head = number / (blocks * p.chunks);
  let head = min(kv_head, p.kvHeads - 1u);
  let heads = select(0u, min(R, p.group - block * R), kv_head < p.kvHeads);
  return Task(number / blocks % p.chunks, head, head * p.group + block * R, heads);
}
