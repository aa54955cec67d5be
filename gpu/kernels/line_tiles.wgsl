// What lines make visible, by the rule in sdk/device/ops.ts. Slots are looked at in runs of one class with ranks in sequence:
// each kind of line then gives up to 32 of them in one window of bits.
// With BITS p.slices workgroups own one list of tiles and each thread every so many of its words; else one thread owns one tile.
@group(0) @binding(0) var<storage, read> queries: array<i32>; // [heads or 1, 1 + keyClasses, lq]
@group(0) @binding(1) var<storage, read> keys: array<i32>; // [heads or 1, 2, lk]
@group(0) @binding(2) var<storage, read> runs: array<u32>; // [heads or 1, lk], of line_runs.wgsl
@group(0) @binding(3) var<storage, read> lines: array<u32>; // [heads, 3, queryClasses, keyClasses, words], of line_bits.wgsl
@group(0) @binding(4) var<storage, read> tiles: array<i32>; // [rows, tileCap] if BITS; rows are blocks, from p.first of all heads' on
@group(0) @binding(5) var<storage, read_write> out: array<u32>; // [rows, tileCap, blockQ, ceil(tileK / 32)] if BITS, else [rows, tileCap]

/// Slots of one class with ranks in sequence.
struct Run {
  kind: u32,
  rank: i32,
  count: u32,
}

/// The run from a slot on, up to slot `end`; a slot of no class is a run of count 0.
fn run_at(head: u32, slot: u32, end: u32) -> Run {
  let place = head * p.keyHead + slot;
  let count = min(runs[head * p.runHead + slot], end - slot);
  return Run(u32(keys[place]), keys[place + p.lk], count);
}

/// 32 bits of a line from number `place` on.
fn window(line: u32, place: u32) -> u32 {
  let word = line + place / 32u;
  let shift = place % 32u;
  return (lines[word] >> shift) | select(lines[word + 1u] << (32u - shift), 0u, shift == 0u);
}

/// Which slots of a run are visible to a row: bit i for the slot i places on.
fn visible(head: u32, row: u32, run: Run) -> u32 {
  let query = head * p.queryHead + row;
  let kind = queries[query];
  if (run.count == 0u || kind < 0 || kind >= i32(p.queryClasses)) { return 0u; }
  let count = queries[query + (1u + run.kind) * p.lq];
  if (count < run.rank || count >= i32(p.length)) { return 0u; }
  let distance = u32(count - run.rank);
  let apart = p.queryClasses * p.keyClasses * p.words;
  let line = head * 3u * apart + (u32(kind) * p.keyClasses + run.kind) * p.words;
  var bits = window(line, u32(run.rank)) | window(line + apart, p.length - 1u - distance);
  if ((window(line + 2u * apart, u32(count)) & 1u) != 0u) { bits = 0xffffffffu; }
  return bits & (0xffffffffu >> (32u - min(run.count, distance + 1u)));
}

//#if BITS
/// How many tiles lie behind the end of the list.
var<workgroup> unlisted: atomic<u32>;

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let list = number_of(at) / p.slices;
  if (list >= p.rows) { return; }
  let first = list * p.tileCap;
  for (var t = me.local; t < p.tileCap; t += THREADS) {
    if (tiles[first + t] < 0) { atomicMax(&unlisted, p.tileCap - t); }
  }
  workgroupBarrier();
  let listed = p.tileCap - atomicLoad(&unlisted);
  let words = (p.tileK + 31u) / 32u;
  let each = p.blockQ * words;
  let slice = number_of(at) % p.slices;
  for (var i = slice * THREADS + me.local; i < p.tileCap * each; i += p.slices * THREADS) {
    let t = i / each;
    var bits = 0u;
    if (t < listed) { bits = word_of(list, i % each / words, u32(tiles[first + t]), i % words); }
    out[first * each + i] = bits;
  }
}

/// Bits of one word of one row of a tile.
fn word_of(list: u32, rowOfBlock: u32, start: u32, word: u32) -> u32 {
  let head = (p.first + list) / p.blocks;
  let row = (p.first + list) % p.blocks * p.blockQ + rowOfBlock;
  if (row >= p.lq) { return 0u; }
  let begin = start + 32u * word;
  let end = min(min(begin + 32u, start + p.tileK), p.lk);
  var bits = 0u;
  for (var slot = begin; slot < end;) {
    let run = run_at(head, slot, end);
    bits |= visible(head, row, run) << (slot - begin);
    slot += max(run.count, 1u);
  }
  return bits;
}
//#else
@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.rows * p.tileCap) { return; }
  let list = p.first + i / p.tileCap;
  let head = list / p.blocks;
  let begin = list % p.blocks * p.blockQ;
  let last = min(begin + p.blockQ, p.lq);
  let start = i % p.tileCap * p.tileK;
  let end = min(start + p.tileK, p.lk);
  var found = 0u;
  for (var slot = start; slot < end && found == 0u;) {
    let run = run_at(head, slot, end);
    for (var row = begin; row < last && found == 0u; row++) { found = visible(head, row, run); }
    slot += max(run.count, 1u);
  }
  out[i] = select(0u, 1u, found != 0u);
}
//#end
