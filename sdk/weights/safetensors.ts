// interim: B1 replaces this file
export interface SafetensorsEntry { dtype: string; shape: number[]; data: Float32Array | Float64Array | Uint16Array | Int32Array | Int8Array | Uint8Array }
export interface SafetensorsFile { tensors: Map<string, SafetensorsEntry>; metadata: Record<string, string> }
const T: Record<string, [any, number]> = { F64: [Float64Array, 8], F32: [Float32Array, 4], F16: [Uint16Array, 2], I32: [Int32Array, 4], I8: [Int8Array, 1], U8: [Uint8Array, 1] };
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  const n = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + n)));
  const tensors = new Map<string, SafetensorsEntry>();
  for (const [name, e] of Object.entries<any>(header)) {
    if (name === "__metadata__") continue;
    const [C] = T[e.dtype]!;
    const raw = bytes.slice(8 + n + e.data_offsets[0], 8 + n + e.data_offsets[1]);
    tensors.set(name, { dtype: e.dtype, shape: e.shape, data: new C(raw.buffer) });
  }
  return { tensors, metadata: header.__metadata__ ?? {} };
}
export function toFloat32(e: SafetensorsEntry): Float32Array {
  if (e.dtype === "F16") return Float32Array.from(new (globalThis as any).Float16Array(e.data.buffer));
  return Float32Array.from(e.data);
}
export function writeSafetensors(tensors: Record<string, SafetensorsEntry>, metadata: Record<string, string>): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const [n, e] of Object.entries(tensors)) { header[n] = { dtype: e.dtype, shape: e.shape, data_offsets: [at, at + e.data.byteLength] }; at += e.data.byteLength; }
  const h = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + h.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(h.length), true);
  out.set(h, 8);
  let p = 8 + h.length;
  for (const e of Object.values(tensors)) { out.set(new Uint8Array(e.data.buffer, e.data.byteOffset, e.data.byteLength), p); p += e.data.byteLength; }
  return out;
}
