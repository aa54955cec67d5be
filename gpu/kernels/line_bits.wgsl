// Flags of lines as bits, low first: bit b of word w says whether number 32 w + b of a line is not 0. Lines of distances are
// turned round. A line ends with a word of zeros more than it needs. One thread owns one word.
@group(0) @binding(0) var<storage, read> lines: array<u32>; // f32 [rows, length], from row p.first of [heads, 3, classes] on
@group(0) @binding(1) var<storage, read_write> out: array<u32>; // [rows, words]

@compute @workgroup_size(THREADS)
fn main(at: Place, me: Lane) {
  let i = number_of(at) * THREADS + me.local;
  if (i >= p.rows * p.words) { return; }
  let row = i / p.words;
  let begin = i % p.words * 32u;
  let turned = (p.first + row) / p.classes % 3u == 1u;
  var bits = 0u;
  for (var b = 0u; b < 32u && begin + b < p.length; b++) {
    let place = select(begin + b, p.length - 1u - begin - b, turned);
    // Neither 0 nor -0.
    let flag = (lines[row * p.length + place] << 1u) != 0u;
    bits |= select(0u, 1u, flag) << b;
  }
  out[i] = bits;
}
