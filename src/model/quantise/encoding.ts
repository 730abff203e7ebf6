import { fromHalf, toHalf } from './half.ts';

/** Tensor types that the makers read or write: number in the file, weights and bytes per block. */
export const kinds = {
  f32: { number: 0, block: 1, bytes: 4, fileType: 0 },
  f16: { number: 1, block: 1, bytes: 2, fileType: 1 },
  q4_0: { number: 2, block: 32, bytes: 18, fileType: 2 },
  q4_1: { number: 3, block: 32, bytes: 20, fileType: 3 },
  q8_0: { number: 8, block: 32, bytes: 34, fileType: 7 },
} as const;
export type Kind = keyof typeof kinds;

/** Weights in storage order → the bytes of a tensor. All arithmetic is float32, as the reference makers do it. */
export function encodeTensor(weights: Float32Array, kind: Kind): Buffer {
  const { block, bytes } = kinds[kind];
  const out = Buffer.alloc((weights.length / block) * bytes);
  for (let from = 0, to = 0; from < weights.length; from += block, to += bytes) {
    if (kind === 'f32') out.writeFloatLE(weights[from] ?? 0, to);
    else if (kind === 'f16') out.writeUInt16LE(toHalf(weights[from] ?? 0), to);
    else if (kind === 'q8_0') encodeQ8(weights, from, out, to);
    else if (kind === 'q4_0') encodeQ4(weights, from, out, to);
    else throw new Error(`no encoder for ${kind}`);
  }
  return out;
}

function encodeQ8(weights: Float32Array, from: number, out: Buffer, to: number): void {
  let most = 0;
  for (let at = 0; at < 32; at++) most = Math.max(most, Math.abs(weights[from + at] ?? 0));
  const scale = Math.fround(most / 127);
  const inverse = scale > 0 ? Math.fround(1 / scale) : 0;
  out.writeUInt16LE(toHalf(scale), to);
  for (let at = 0; at < 32; at++)
    out.writeInt8(roundHalfEven(Math.fround((weights[from + at] ?? 0) * inverse)), to + 2 + at);
}

function encodeQ4(weights: Float32Array, from: number, out: Buffer, to: number): void {
  let extreme = 0;
  for (let at = 0; at < 32; at++) {
    const weight = weights[from + at] ?? 0;
    if (Math.abs(weight) > Math.abs(extreme)) extreme = weight;
  }
  const scale = Math.fround(extreme / -8);
  const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
  out.writeUInt16LE(toHalf(scale), to);
  const nibble = (at: number): number => {
    const shifted = Math.trunc(Math.fround(Math.fround((weights[from + at] ?? 0) * inverse) + 8.5));
    return Math.min(15, Math.max(0, shifted));
  };
  for (let at = 0; at < 16; at++) out[to + 2 + at] = nibble(at) | (nibble(at + 16) << 4);
}

/** The bytes of a tensor → weights in storage order. */
export function decodeTensor(raw: Buffer, kind: Kind): Float32Array {
  const { block, bytes } = kinds[kind];
  const out = new Float32Array((raw.length / bytes) * block);
  for (let from = 0, to = 0; from < raw.length; from += bytes, to += block) {
    if (kind === 'f32') out[to] = raw.readFloatLE(from);
    else if (kind === 'f16') out[to] = fromHalf(raw.readUInt16LE(from));
    else decodeBlock(raw, from, kind, out, to);
  }
  return out;
}

function decodeBlock(raw: Buffer, from: number, kind: 'q4_0' | 'q4_1' | 'q8_0', out: Float32Array, to: number): void {
  const scale = fromHalf(raw.readUInt16LE(from));
  if (kind === 'q8_0') {
    for (let at = 0; at < 32; at++) out[to + at] = raw.readInt8(from + 2 + at) * scale;
    return;
  }
  const least = kind === 'q4_1' ? fromHalf(raw.readUInt16LE(from + 2)) : 0;
  const nibbles = from + (kind === 'q4_1' ? 4 : 2);
  const weightOf = (q: number): number => (kind === 'q4_1' ? Math.fround(q * scale) + least : (q - 8) * scale);
  for (let at = 0; at < 16; at++) {
    const byte = raw[nibbles + at] ?? 0;
    out[to + at] = weightOf(byte & 15);
    out[to + 16 + at] = weightOf(byte >> 4);
  }
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
