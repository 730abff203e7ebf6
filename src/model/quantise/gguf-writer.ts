import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';

export const alignment = 32;

/** Metadata value types of GGUF. */
export const valueTypes = { u32: 4, i32: 5, f32: 6, bool: 7, text: 8, list: 9 } as const;

export interface RawValue {
  readonly key: string;
  readonly type: number;
  /** As in the file. */
  readonly bytes: Buffer;
}

export interface RawTensor {
  readonly name: string;
  /** Innermost first. */
  readonly dimensions: readonly number[];
  readonly type: number;
  readonly bytes: number;
  data(): Promise<Buffer> | Buffer;
}

/** Writes a GGUF v3 file, atomically, so that concurrent processes are safe. @returns its SHA-256 in hex */
export async function writeGguf(
  path: string,
  metadata: readonly RawValue[],
  tensors: readonly RawTensor[],
): Promise<string> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx');
  try {
    const digest = await writeParts(file, headOf(metadata, tensors), tensors);
    await file.close();
    await rename(temporary, path);
    return digest;
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeParts(file: FileHandle, head: Buffer, tensors: readonly RawTensor[]): Promise<string> {
  const hash = createHash('sha256');
  const put = async (bytes: Buffer): Promise<void> => {
    hash.update(bytes);
    await file.writeFile(bytes);
  };
  await put(head);
  for (const tensor of tensors) {
    const data = await tensor.data();
    await put(data);
    await put(Buffer.alloc(padding(data.length)));
  }
  return hash.digest('hex');
}

function headOf(metadata: readonly RawValue[], tensors: readonly RawTensor[]): Buffer {
  const parts: Buffer[] = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.length)];
  for (const { key, type, bytes } of metadata) parts.push(text(key), u32(type), bytes);
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(
      text(tensor.name),
      u32(tensor.dimensions.length),
      ...tensor.dimensions.map(u64),
      u32(tensor.type),
      u64(offset),
    );
    offset += tensor.bytes + padding(tensor.bytes);
  }
  const head = Buffer.concat(parts);
  return Buffer.concat([head, Buffer.alloc(padding(head.length))]);
}

function padding(length: number): number {
  return (alignment - (length % alignment)) % alignment;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

export function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([u64(bytes.length), bytes]);
}

export function texts(values: readonly string[]): Buffer {
  return Buffer.concat([u32(valueTypes.text), u64(values.length), ...values.map(text)]);
}

export function integers(values: readonly number[]): Buffer {
  return Buffer.concat([u32(valueTypes.i32), u64(values.length), Buffer.from(Int32Array.from(values).buffer)]);
}

export function floats(values: readonly number[]): Buffer {
  return Buffer.concat([u32(valueTypes.f32), u64(values.length), Buffer.from(Float32Array.from(values).buffer)]);
}
