// Attention of one query token over rows in bitmap form. A workgroup of 64 threads owns one chunk of the groups of 64 tokens, and R
// query heads that share a key head. 16 tiles of a group are unpacked into shared memory while the ones before are multiplied.
// Eight threads share a tile, an octet of its elements each: 8 tokens of a column of the keys, so that a thread has R sums for
// each of 8 tokens, or 8 columns of a token of the values. Then decode_merge.wgsl.
@group(0) @binding(0) var<storage, read> k: array<u32>; // pairs of halves
@group(0) @binding(1) var<storage, read> tiles: array<u32>; // elements 0 to 31, 32 to 63, first in the highest bit; offset
@group(0) @binding(2) var<storage, read> v: array<u32>; // pairs of halves
@group(0) @binding(3) var<storage, read> q: array<f32>; // [heads, D]
@group(0) @binding(4) var<storage, read> band: array<i32>; // [kvHeads, 2]: sink, window; if p.banded
@group(0) @binding(5) var<storage, read_write> parts: array<vec4f>; // [heads, p.chunks, D4 + 1]: the mix; largest score and sum of powers

const LOWEST = -3.4e38;
/// A window that holds all tokens.
const EVERYWHERE = 0x7fffffff;
const D4: u32 = D / 4u;
/// Value tiles of a token: 1, 2, 4 or 8.
const WIDE: u32 = D / 64u;
/// Tiles that are unpacked at once, and that are multiplied at once.
const BATCH: u32 = 16u;
const ROWS: u32 = 8u;
const BATCHES: u32 = D / BATCH;
/// Of ROWS, those of one value tile of a token.
const TOKENS: u32 = ROWS / WIDE;
const KIND_k = 0u;
const KIND_v = 1u;
/// Distance of what a thread puts beside what the others put there; the odd one spreads it over the banks.
const BESIDE: u32 = 65u;

/// One number for each of R query heads.
//#if FOUR
alias H = vec4f;
//#else
//#if TWO
alias H = vec2f;
//#else
alias H = f32;
//#end
//#end

/// Two batches of tiles as they are unpacked, or what threads swap.
var<workgroup> stage: array<f32, BESIDE * 32u>;
/// What `tiles` says of the group's tiles: of keys, then of values.
var<workgroup> notes: array<u32, 6u * D>;
var<workgroup> queries: array<H, D>;
/// Scores, then their exponentials.
var<workgroup> powers: array<H, 64>;
var<workgroup> folds: array<H, 64>;

fn head_of(h: H, r: u32) -> f32 {
//#if MANY
  return h[r];
//#else
  return h;
//#end
}

/// Where neighbouring tiles lie and how many words they have.
struct Run {
  first: u32,
  words: u32,
}

fn run_of(tile: u32, count: u32) -> Run {
  let first = notes[3u * tile + 2u];
  let last = 3u * (tile + count - 1u);
  let words = (countOneBits(notes[last]) + countOneBits(notes[last + 1u]) + 7u) / 8u * 4u;
  return Run(first, min(notes[last + 2u] + words - first, 32u * count));
}

/// Adds what a tile says of the octet of `part`: each of its 8 elements times a weight for each query head.
fn add(sums: ptr<function, array<H, 8>>, tile: u32, part: u32, base: u32, weight: H) {
  let first = notes[3u * tile];
  let late = part >= 4u;
  let word = select(first, notes[3u * tile + 1u], late);
  let shift = 24u - 8u * (part % 4u);
  let bits = word >> shift;
  var i = base + 2u * notes[3u * tile + 2u] + countOneBits(bits >> 8u) + select(0u, countOneBits(first), late);
//#for b in 0..8
  {
    let there = (bits & (128u >> $bu)) != 0u;
    let value = select(0.0, stage[i], there);
    i += select(0u, 1u, there);
    (*sums)[$b] = fma(H(value), weight, (*sums)[$b]);
  }
//#end
}

/// The largest, or the sum, of what the 64 threads hold.
fn fold(value: H, largest: bool, me: Lane) -> H {
  folds[me.local] = value;
  workgroupBarrier();
  var all = folds[me.local & 56u];
  for (var i = 1u; i < 8u; i++) {
    let other = folds[(me.local & 56u) + i];
    all = select(all + other, max(all, other), largest);
  }
  workgroupBarrier();
  folds[me.local] = all;
  workgroupBarrier();
  all = folds[0];
  for (var i = 8u; i < 64u; i += 8u) {
    let other = folds[i];
    all = select(all + other, max(all, other), largest);
  }
  workgroupBarrier();
  return all;
}

@compute @workgroup_size(64)
fn main(at: Place, me: Lane) {
  let blocks = (p.group + R - 1u) / R;
  let number = number_of(at);
  // Workgroups that read the same rows are neighbours.
  let block = number % blocks;
  let chunk = number / blocks % p.chunks;
  let kv_head = number / (blocks * p.chunks);
  let alive = kv_head < p.kvHeads;
  let first_head = kv_head * p.group + block * R;
  let part = me.local % 8u;
  let row = me.local / 8u;
  // The value tile of a token, and which token, that this thread adds.
  let tile_of = row / TOKENS;
  let token_of = row % TOKENS;
  let k_base = p.kBase + kv_head * p.kHead;
  let v_base = p.vBase + kv_head * p.vHead;
  let k_notes = p.kNotes + kv_head * p.notesHead;
  let v_notes = p.vNotes + kv_head * p.notesHead;
  let begin = chunk * p.chunk;
  var end = 0u;
  if (alive) { end = min(begin + p.chunk, (p.rows + 63u) / 64u); }
  var sink = 0;
  var window = EVERYWHERE;
  if (p.banded == 1u && alive) {
    sink = band[p.bandBase + 2u * kv_head];
    window = band[p.bandBase + 2u * kv_head + 1u];
  }
  for (var d = me.local; d < D; d += 64u) {
//#if MANY
    var four = H();
    for (var r = 0u; r < R && alive && block * R + r < p.group; r++) {
      four[r] = p.scale * q[p.qBase + (first_head + r) * D + d];
    }
    queries[d] = four;
//#else
    queries[d] = select(0.0, p.scale * q[p.qBase + min(first_head, p.kvHeads * p.group - 1u) * D + d], alive);
//#end
  }

  var mix: array<H, 8>;
  var top = H(LOWEST);
  var sum = H(0.0);
  for (var g = begin; g < end; g++) {
    let token = 64u * g + me.local;
    let position = i32(p.first + token);
    let live = token < p.rows && (position < sink || i32(p.total) - 1 - position < window);
    // A group between sink and window has nothing to read.
    if (i32(p.first + 64u * g) >= sink && i32(p.total) - 64 - i32(p.first + 64u * g) >= window) { continue; }
    for (var i = me.local; i < 3u * D; i += 64u) {
      notes[i] = tiles[k_notes + 3u * g * D + i];
      notes[3u * D + i] = tiles[v_notes + 3u * g * D + i];
    }
    workgroupBarrier();
    // Said in full: naga does not clear what a loop declares without a value.
    var dots = array<H, 8>();
//#for t in k v
    {
      // A batch is 16 columns of the keys, or all tiles of 16 / WIDE tokens; then the threads of each tile unpack its run.
      let values = KIND_$t == 1u;
      let count = select(BATCH, 2u * TOKENS, values);
      let lanes = select(64u, 8u * TOKENS, values);
      let lane = me.local % lanes;
      let of_run = select(row, token_of, values);
      let first = select(0u, D + 64u * tile_of, values);
      let room = select(0u, 64u * count * tile_of, values);
      var run = Run();
//#for i in 0..8
      var w$i = 0u;
//#end
      for (var n = 0u; n <= BATCHES; n++) {
        // What is asked for here is unpacked in the next round.
        let half = room + n % 2u * 64u * BATCH;
        let now = run;
        if (n > 0u) {
//#for i in 0..8
          if (lane + $iu * lanes < now.words) {
            let both = unpack2x16float(w$i);
            stage[half + 2u * (lane + $iu * lanes)] = both.x;
            stage[half + 2u * (lane + $iu * lanes) + 1u] = both.y;
          }
//#end
          workgroupBarrier();
        }
        if (n < BATCHES) {
          run = run_of(first + n * count, count);
          let word = $t_base / 2u + run.first;
          let last = max(run.words, 1u) - 1u;
//#for i in 0..4
          w$i = $t[word + min(lane + $iu * lanes, last)];
//#end
          if (run.words > 4u * lanes) {
//#for i in 4..8
            w$i = $t[word + min(lane + $iu * lanes, last)];
//#end
          }
        }
        if (n > 0u) {
          for (var s = 0u; s < 2u; s++) {
            let in_batch = (n - 1u) * count + of_run + s * count / 2u;
            let base = half - 2u * now.first;
            if (values) {
              add(&mix, first + in_batch, part, base, powers[in_batch]);
            } else {
              add(&dots, in_batch, part, base, queries[in_batch]);
            }
          }
        }
      }
      workgroupBarrier();
      if (!values) {
        // Each thread gets the scores of its token from the eight that share it.
//#for b in 0..8
        for (var r = 0u; r < R; r++) { stage[($bu * R + r) * BESIDE + me.local] = head_of(dots[$b], r); }
//#end
        workgroupBarrier();
        var score = H();
        for (var s = 0u; s < 8u; s++) {
//#if MANY
          for (var r = 0u; r < R; r++) { score[r] += stage[(me.local % 8u * R + r) * BESIDE + 8u * s + me.local / 8u]; }
//#else
          score += stage[me.local % 8u * BESIDE + 8u * s + me.local / 8u];
//#end
        }
        score = select(H(LOWEST), score, live);
        let highest = max(top, fold(score, true, me));
        let fade = exp(top - highest);
        top = highest;
        let power = select(H(0.0), exp(score - highest), score > H(LOWEST));
        powers[me.local] = power;
        sum = fma(sum, fade, power);
//#for b in 0..8
        mix[$b] *= fade;
//#end
      }
    }
//#end
  }

  sum = fold(sum, false, me);
//#for b in 0..8
  for (var r = 0u; r < R; r++) { stage[($bu * R + r) * BESIDE + me.local] = head_of(mix[$b], r); }
//#end
  workgroupBarrier();
  for (var i = me.local; i < R * (D4 + 1u); i += 64u) {
    let r = i / (D4 + 1u);
    let four_columns = i % (D4 + 1u);
    var four = vec4f(head_of(top, r), head_of(sum, r), 0.0, 0.0);
    if (four_columns < D4) {
      four = vec4f();
      let beside = four_columns / 16u * TOKENS * 8u + four_columns % 16u / 2u;
      for (var s = 0u; s < TOKENS; s++) {
//#for j in 0..4
        four[$j] += stage[((four_columns % 2u * 4u + $ju) * R + r) * BESIDE + beside + 8u * s];
//#end
      }
    }
    if (alive && block * R + r < p.group) {
      parts[((first_head + r) * p.chunks + chunk) * (D4 + 1u) + four_columns] = four;
    }
  }
}
