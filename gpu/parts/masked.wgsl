// Who sees whom in dense attention.
// Element (b, h, i, d) of q lies at qBase + b qBatch + h qHead + i qRow + d, likewise k, v and out.
@group(0) @binding(3) var<storage, read> mask: array<u32>; // bytes [lq, lk] if p.masked
@group(0) @binding(4) var<storage, read> lens: array<i32>; // [batch] if p.limited

/// Number of the window's keys that come before the first one which entry b may not see.
fn keys_of(b: u32) -> u32 {
  if (p.limited == 0u) { return p.keys; }
  return u32(clamp(lens[p.lensBase + b] - i32(p.firstKey), 0, i32(p.keys)));
}

/// The same, for query i alone.
fn keys_for(b: u32, i: u32) -> u32 {
  if (p.causal == 0u) { return keys_of(b); }
  let seen = i32(p.firstQuery + i + p.lk) - i32(p.queries) + 1 - i32(p.firstKey);
  return u32(clamp(seen, 0, i32(keys_of(b))));
}

/// Whether query i may see key j of those.
fn sees(i: u32, j: u32) -> bool {
  if (p.masked == 0u) { return true; }
  let at = p.maskBase + i * p.lk + p.firstKey + j;
  return extractBits(mask[at / 4u], 8u * (at % 4u), 8u) != 0u;
}
