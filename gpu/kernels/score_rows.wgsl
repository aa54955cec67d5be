// scale * q . k for every cached row. A workgroup owns DEEP rows for each of its THREADS / LANES slots, and R query heads that share
// a key head. LANES threads hold a row, 4 C4 columns each; with FOLD they are several, which swap their shares of its E = DEEP R scores.
@group(0) @binding(2) var<storage, read> q: array<f32>; // [heads, D]
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [heads, p.outHead]

const SLOTS: u32 = THREADS / LANES;

//#if FOLD
/// Each lane's share of its slot's scores; the odd one spreads them over the banks.
var<workgroup> shares: array<f32, THREADS * (E + 1u)>;

//#end
@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let task = task_of(at);
  let slot = me.local / LANES;
  let lane = me.local % LANES;
  let begin = task.chunk * DEEP * SLOTS + slot;
  let ki = p.kBase + task.kv_head * p.kHead;
  let notes = p.kNotes + task.kv_head * p.notesHead;
  // Lanes beyond the head repeat its last columns; their queries are zeros.
  let column = min(4u * C4 * lane, (D - 1u) / (4u * C4) * (4u * C4));
//#for t in 0..DEEP
  let k$t = load_k(ki, notes, min(begin + $tu * SLOTS, p.rows - 1u), column, false);
//#end
//#for j in 0..C4
//#for t in 0..DEEP
  let k$t_$j = four(k$t, column, $ju);
//#end
//#end
  var score: array<f32, E>;
//#for r in 0..R
  {
    let h = min(task.first_head + $ru, p.kvHeads * p.group - 1u);
//#for j in 0..C4
    var q_$j = vec4f();
//#for i in 0..4
    if (4u * (C4 * lane + $ju) + $iu < D) { q_$j[$i] = p.scale * q[p.qBase + h * D + 4u * (C4 * lane + $ju) + $iu]; }
//#end
//#for t in 0..DEEP
    score[$tu * R + $ru] += dot(q_$j, k$t_$j);
//#end
//#end
  }
//#end
//#if FOLD
//#for e in 0..E
  shares[me.local * (E + 1u) + $eu] = score[$e];
//#end
  workgroupBarrier();
  for (var e = lane; e < E; e += LANES) {
    var sum = 0.0;
    for (var l = 0u; l < LANES; l++) { sum += shares[(slot * LANES + l) * (E + 1u) + e]; }
    let row = begin + e / R * SLOTS;
    if (row < p.rows && e % R < task.heads) {
      out[p.outBase + (task.first_head + e % R) * p.outHead + row] = sum;
    }
  }
//#else
//#for t in 0..DEEP
//#for r in 0..R
  if (begin + $tu * SLOTS < p.rows && $ru < task.heads) {
    out[p.outBase + (task.first_head + $ru) * p.outHead + begin + $tu * SLOTS] = score[$tu * R + $ru];
  }
//#end
//#end
//#end
}
