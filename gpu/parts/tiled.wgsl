// Attention by tiles of BQ = 8 WY queries and BK = 4 WX keys, whose operands pass through shared memory.
const THREADS: u32 = WX * WY;
const BQ: u32 = 8u * WY;
const BK: u32 = 4u * WX;
/// Vectors of a row of queries; the odd one spreads the writes over the banks.
const SQ: u32 = BQ / 4u + 1u;
const Q_BLOCKS: u32 = BQ / 4u * (TD / 4u);
const BLOCKS: u32 = Q_BLOCKS + BK / 4u * (TD / 4u);
/// Threads that share a row in the softmax, and the keys of each.
const PER: u32 = THREADS / BQ;
const PART: u32 = BK / PER;

/// A chunk of the columns of q and k, turned; then a chunk of the rows of v. Key t + WX e of BK lies at place 4 t + e.
/// Rows come first and are numbered by unrolled loops, so that bounds are checked once for all of them.
var<workgroup> stage: array<array<vec4f, WIDTH>, TD>;
/// Scores, then their exponentials: a vector holds four queries of one key.
var<workgroup> powers: array<array<vec4f, SQ>, BK>;
/// What each thread found in its part of a row.
var<workgroup> found: array<f32, THREADS>;
