// Who sees whom by a plan. Parts that the plan lacks lie at NO_PART; what it says is not trusted.
@group(0) @binding(3) var<storage, read> plan: array<i32>; // [heads, planHead]: lists, orders, bands and bits
@group(0) @binding(4) var<storage, read> bias: array<f32>; // [kvHeads, lk] if p.biased

const NO_PART = 0xffffffffu;
/// Stands for the key of a slot that has none: beyond the limit of every row.
const NO_KEY = 0x7fffffff;

/// The query of a row of the plan; not below lq if there is none.
fn query_of(base: u32, row: u32) -> u32 {
  if (p.qOrderAt == NO_PART) { return row; }
  return u32(plan[base + p.qOrderAt + min(row, p.lq - 1u)]);
}

/// The key of a slot.
fn key_of(base: u32, slot: u32) -> i32 {
  var key = slot;
  if (p.kOrderAt != NO_PART) { key = u32(plan[base + p.kOrderAt + min(slot, p.lk - 1u)]); }
  return select(NO_KEY, i32(key), slot < p.lk && key < p.lk);
}

/// Sink and window.
fn band_of(base: u32) -> vec2i {
  if (p.bandAt == NO_PART) { return vec2i(0, NO_KEY); }
  return vec2i(plan[base + p.bandAt], plan[base + p.bandAt + 1u]);
}

/// The last key that a query may see if it is listed.
fn limit_of(query: u32) -> i32 {
  return select(i32(p.lk) - 1, i32(query + p.lk - p.lq), p.causal == 1u);
}

/// Where the list of columns of a row block begins; NO_PART if it has none.
fn list_of(base: u32, block: u32) -> u32 {
  if (p.columnOfAt == NO_PART) { return NO_PART; }
  let list = u32(plan[base + p.columnOfAt + block]);
  return select(NO_PART, base + p.columnsAt + list * p.columnCap, list < p.lists);
}

/// The first negative one of the entries that this thread looks at; the capacity if there is none.
fn end_of(first: u32, capacity: u32, lane: u32) -> u32 {
  for (var n = lane; n < capacity; n += THREADS) {
    if (plan[first + n] < 0) { return n; }
  }
  return capacity;
}

var<workgroup> tile_count: atomic<u32>;
var<workgroup> column_count: atomic<u32>;
var<workgroup> counts: vec2u;

/// How many tiles and columns the workgroup's row block lists: none without rows.
fn count_lists(tiles: u32, columns: u32, any_rows: bool, lane: u32) -> vec2u {
  if (lane == 0u) {
    atomicStore(&tile_count, NO_PART);
    atomicStore(&column_count, NO_PART);
  }
  workgroupBarrier();
  atomicMin(&tile_count, end_of(tiles, select(0u, p.tileCap, any_rows), lane));
  atomicMin(&column_count, end_of(columns, select(0u, p.columnCap, any_rows && columns != NO_PART), lane));
  workgroupBarrier();
  if (lane == 0u) { counts = vec2u(atomicLoad(&tile_count), atomicLoad(&column_count)); }
  return workgroupUniformLoad(&counts);
}

/// The key of entry n of the run of slots of a row block: its tiles' first `in_tiles`, then its columns'.
fn listed_key(base: u32, tiles: u32, columns: u32, in_tiles: u32, slots: u32, n: u32) -> i32 {
  var slot = p.lk;
  if (n < in_tiles) { slot = u32(plan[tiles + n / p.tileSlots]) + n % p.tileSlots; }
  else if (n < slots) { slot = u32(plan[columns + n - in_tiles]); }
  return key_of(base, slot);
}

/// Which of PART entries from n on a row sees, low bit first. Its bits of the block's first tile begin at `bits`; columns have none.
fn bits_of(bits: u32, n: u32, in_tiles: u32) -> u32 {
  if (p.bitsAt == NO_PART) { return 0xffffffffu; }
  var seen = 0u;
  var done = 0u;
  var tile = n / p.tileSlots;
  var slot = n % p.tileSlots;
  while (done < PART && n + done < in_tiles) {
    let count = min(min(32u - slot % 32u, p.tileSlots - slot), PART - done);
    let word = u32(plan[bits + tile * p.blockQ * p.words + slot / 32u]);
    seen |= extractBits(word, slot % 32u, count) << done;
    done += count;
    slot += count;
    if (slot == p.tileSlots) {
      slot = 0u;
      tile++;
    }
  }
  return select(seen | (0xffffffffu << done), seen, done == PART);
}
