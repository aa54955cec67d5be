/**
 * The smallest ONNX models that multiply two matrices or compute dense attention: the peer's side of the benches.
 *
 * @module
 */

/** An ONNX model (protobuf, opset 13) with one MatMul: a [m, k] times b [k, n] gives c. */
export function onnxMatmul(m: number, k: number, n: number): Uint8Array {
  const node = message([[1, text("a")], [1, text("b")], [2, text("c")], [4, text("MatMul")]]);
  const graph = message([[1, node], [2, text("matmul")], [11, value("a", [m, k])], [11, value("b", [k, n])], [12, value("c", [m, n])]]);
  const opset = message([[1, text("")], [2, 13]]);
  return message([[1, 8], [7, graph], [8, opset]]);
}

/** An ONNX model with one MultiHeadAttention: q, k and v [1, length, heads * headDim] give out. */
export function onnxAttention(length: number, heads: number, headDim: number, causal: boolean): Uint8Array {
  const attribute = (name: string, i: number): Uint8Array => message([[1, text(name)], [3, i], [20, 2]]);
  const names = ["q", "k", "v"];
  const node = message([
    ...names.map((name): Field => [1, text(name)]),
    [2, text("out")],
    [4, text("MultiHeadAttention")],
    [5, attribute("num_heads", heads)],
    [5, attribute("unidirectional", causal ? 1 : 0)],
    [7, text("com.microsoft")],
  ]);
  const shape = [1, length, heads * headDim];
  const graph = message([
    [1, node],
    [2, text("attention")],
    ...names.map((name): Field => [11, value(name, shape)]),
    [12, value("out", shape)],
  ]);
  const opset = (domain: string, version: number): Uint8Array => message([[1, text(domain)], [2, version]]);
  return message([[1, 8], [7, graph], [8, opset("", 13)], [8, opset("com.microsoft", 1)]]);
}

/** An ONNX model of attention by two products and a softmax: q (scaled before) and v [heads, length, headDim], k [heads, headDim, length]. */
export function onnxAttentionSteps(length: number, heads: number, headDim: number): Uint8Array {
  const step = (type: string, inputs: readonly string[], output: string): Uint8Array =>
    message([...inputs.map((name): Field => [1, text(name)]), [2, text(output)], [4, text(type)]]);
  const rows = [heads, length, headDim];
  const graph = message([
    [1, step("MatMul", ["q", "k"], "scores")],
    [1, step("Softmax", ["scores"], "weights")],
    [1, step("MatMul", ["weights", "v"], "out")],
    [2, text("attention")],
    [11, value("q", rows)],
    [11, value("k", [heads, headDim, length])],
    [11, value("v", rows)],
    [12, value("out", rows)],
  ]);
  return message([[1, 8], [7, graph], [8, message([[1, text("")], [2, 13]])]]);
}

/**
 * An ONNX model of one decode step with GroupQueryAttention: query [1, 1, heads * headDim], key and value [1, 1, kvHeads * headDim], past_key and past_value
 * [1, kvHeads, past, headDim], seqlens_k int32 [1] = past, total int32 [1] = past + 1.
 */
export function onnxDecodeStep(past: number, heads: number, kvHeads: number, headDim: number): Uint8Array {
  const attribute = (name: string, i: number): Uint8Array => message([[1, text(name)], [3, i], [20, 2]]);
  const inputs = ["query", "key", "value", "past_key", "past_value", "seqlens_k", "total"];
  const outputs = ["out", "present_key", "present_value"];
  const node = message([
    ...inputs.map((name): Field => [1, text(name)]),
    ...outputs.map((name): Field => [2, text(name)]),
    [4, text("GroupQueryAttention")],
    [5, attribute("num_heads", heads)],
    [5, attribute("kv_num_heads", kvHeads)],
    [7, text("com.microsoft")],
  ]);
  const cached = [1, kvHeads, past, headDim];
  const graph = message([
    [1, node],
    [2, text("decode")],
    [11, value("query", [1, 1, heads * headDim])],
    [11, value("key", [1, 1, kvHeads * headDim])],
    [11, value("value", [1, 1, kvHeads * headDim])],
    [11, value("past_key", cached)],
    [11, value("past_value", cached)],
    [11, value("seqlens_k", [1], INT32)],
    [11, value("total", [1], INT32)],
    [12, value("out", [1, 1, heads * headDim])],
    // Their shape is left open: it is inferred as if nothing were appended.
    [12, value("present_key")],
    [12, value("present_value")],
  ]);
  const opset = (domain: string, version: number): Uint8Array => message([[1, text(domain)], [2, version]]);
  return message([[1, 8], [7, graph], [8, opset("", 13)], [8, opset("com.microsoft", 1)]]);
}

const FLOAT32 = 1;
const INT32 = 6;

/** ValueInfoProto of a tensor, of any shape if none is given. */
function value(name: string, shape?: readonly number[], type: number = FLOAT32): Uint8Array {
  const dims = (shape ?? []).map((size): Field => [1, message([[1, size]])]);
  const sized: Field[] = shape ? [[2, message(dims)]] : [];
  return message([[1, text(name)], [2, message([[1, message([[1, type], ...sized])]])]]);
}

type Field = readonly [number: number, content: number | Uint8Array];

function message(fields: readonly Field[]): Uint8Array {
  const bytes: number[] = [];
  for (const [number, content] of fields) {
    if (typeof content === "number") bytes.push(...varint(number << 3), ...varint(content));
    else bytes.push(...varint(number << 3 | 2), ...varint(content.length), ...content);
  }
  return Uint8Array.from(bytes);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push(value % 128 + 128);
  return [...bytes, value];
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}
