import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { QvacError } from '../../errors.ts';
import { shapeFault } from './gguf-shape.ts';
import { fileTypeNames, type GgufValue, tensorTypes } from './gguf-types.ts';

export type { GgufValue } from './gguf-types.ts';

/** The header of a GGUF file (versions 2 and 3, little-endian), before its weights. */
export interface GgufHeader {
  readonly path: string;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensorCount: number;
}

/** No real model has a larger header. */
const maxHeaderBytes = 512 * 1024 * 1024;
const firstReadBytes = 4 * 1024 * 1024;
/** The native loader ends the process at a number of files of any other type. */
const valueTypes = { u16: 2 } as const;

class Truncated extends Error {}
class Corrupt extends Error {}

/**
 * Reads the header and checks its sizes, counts and the extent of every tensor against the file, so that the native
 * loader never sees a malformed file. @huggingface/gguf would drop a leading U+FEFF of a token's text, and with it the
 * identity of the vocabulary.
 * @throws QvacError E_MODEL if the file is missing, unreadable, not GGUF, cut short or corrupt
 */
export async function readGguf(path: string): Promise<GgufHeader> {
  const file = await open(path, 'r').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    throw new QvacError(
      'E_MODEL',
      `cannot read the model file ${path} (${code === 'ENOENT' ? 'no such file' : String(code ?? error)})`,
      { cause: error },
    );
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Corrupt('is not a file');
    for (let bytes = Math.min(stat.size, firstReadBytes); ; bytes = Math.min(stat.size, bytes * 4, maxHeaderBytes)) {
      const buffer = Buffer.alloc(bytes);
      const { bytesRead } = await file.read(buffer, 0, bytes, 0);
      try {
        return parse(path, buffer.subarray(0, bytesRead), stat.size);
      } catch (error) {
        if (!(error instanceof Truncated)) throw error;
        if (bytes >= stat.size) throw new Corrupt('is cut short in its header');
        if (bytes >= maxHeaderBytes) throw new Corrupt(`has a header of more than ${maxHeaderBytes} bytes`);
      }
    }
  } catch (error) {
    if (error instanceof Corrupt)
      throw new QvacError('E_MODEL', `${basename(path)} ${error.message}`, {
        hint: 'use a complete GGUF file; qvac models pull NAME downloads one',
        cause: error,
      });
    throw error;
  } finally {
    await file.close();
  }
}

function parse(path: string, bytes: Buffer, fileSize: number): GgufHeader {
  const reader = new Reader(bytes, fileSize);
  if (bytes.length < 4 || bytes.toString('latin1', 0, 4) !== 'GGUF') throw new Corrupt('is not a GGUF file');
  reader.skip(4);
  const version = reader.u32();
  if (version !== 2 && version !== 3) throw new Corrupt(`has GGUF version ${version}, which is not supported`);
  const tensorCount = reader.count(24);
  const metadataCount = reader.count(13);
  const metadata = new Map<string, GgufValue>();
  for (let at = 0; at < metadataCount; at++) {
    const key = reader.text();
    if (key === '' || metadata.has(key)) throw new Corrupt(`is corrupt (key "${key.slice(0, 64)}")`);
    const type = reader.u32();
    if (key === 'split.count' && type !== valueTypes.u16) throw new Corrupt(`is corrupt (${key})`);
    metadata.set(key, reader.value(type));
  }
  const tensors = Array.from({ length: tensorCount }, () => readTensor(reader));
  const fault = shapeFault(
    metadata,
    tensors.map(({ name }) => name),
  );
  if (fault !== null) throw new Corrupt(fault);
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment < 1 || (alignment & (alignment - 1)) !== 0)
    throw new Corrupt('is corrupt (alignment)');
  const base = Math.ceil(reader.at / alignment) * alignment;
  const needed = tensors.reduce((most, { end }) => Math.max(most, base + end), 0);
  if (needed > fileSize) throw new Corrupt(`is cut short: ${fileSize} of at least ${needed} bytes`);
  return { path, metadata, tensorCount };
}

interface Tensor {
  readonly name: string;
  /** End of its data, in bytes from the start of all tensor data. */
  readonly end: number;
}

function readTensor(reader: Reader): Tensor {
  const name = reader.text();
  const corrupt = new Corrupt(`is corrupt (tensor ${name.slice(0, 64)})`);
  const dimensions = reader.u32();
  if (dimensions < 1 || dimensions > 4) throw corrupt;
  let elements = 1;
  for (let at = 0; at < dimensions; at++) elements *= reader.u64();
  const type = tensorTypes.get(reader.u32());
  const offset = reader.u64();
  if (elements < 1 || !Number.isSafeInteger(elements)) throw corrupt;
  return { name, end: offset + (type === undefined ? 0 : Math.ceil(elements / type.block) * type.bytes) };
}

/** Reads forwards. Throws Truncated beyond the buffer, and Corrupt for an impossible value. */
class Reader {
  private readonly bytes: Buffer;
  private readonly fileSize: number;
  at = 0;

  constructor(bytes: Buffer, fileSize: number) {
    this.bytes = bytes;
    this.fileSize = fileSize;
  }

  skip(length: number): number {
    const start = this.at;
    if (start + length > this.fileSize) throw new Corrupt('is cut short or corrupt');
    if (start + length > this.bytes.length) throw new Truncated();
    this.at = start + length;
    return start;
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.skip(4));
  }

  u64(): number {
    const start = this.skip(8);
    return this.bytes.readUInt32LE(start + 4) * 2 ** 32 + this.bytes.readUInt32LE(start);
  }

  /** A count of items of at least `bytes` bytes each, which the file must be able to hold. */
  count(bytes: number): number {
    const count = this.u64();
    if (count * bytes > this.fileSize) throw new Corrupt('is cut short or corrupt');
    return count;
  }

  text(): string {
    const length = this.u64();
    if (length > this.fileSize) throw new Corrupt('is cut short or corrupt');
    const start = this.skip(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  value(kind: number): GgufValue {
    if (kind === 8) return this.text();
    if (kind !== 9) return this.scalar(kind);
    const element = this.u32();
    const count = this.count(element === 8 ? 8 : 1);
    if (element === 8) return Array.from({ length: count }, () => this.text());
    if (element === 7) return Array.from({ length: count }, () => this.scalar(7) as boolean);
    return Array.from({ length: count }, () => this.scalar(element) as number);
  }

  private scalar(kind: number): number | boolean {
    switch (kind) {
      case 0:
        return this.bytes.readUInt8(this.skip(1));
      case 1:
        return this.bytes.readInt8(this.skip(1));
      case 2:
        return this.bytes.readUInt16LE(this.skip(2));
      case 3:
        return this.bytes.readInt16LE(this.skip(2));
      case 4:
        return this.u32();
      case 5:
        return this.bytes.readInt32LE(this.skip(4));
      case 6:
        return this.bytes.readFloatLE(this.skip(4));
      case 7:
        return this.bytes.readUInt8(this.skip(1)) !== 0;
      case 10:
        return this.u64();
      case 11:
        return Number(this.bytes.readBigInt64LE(this.skip(8)));
      case 12:
        return this.bytes.readDoubleLE(this.skip(8));
      default:
        throw new Corrupt(`is corrupt (value of type ${kind})`);
    }
  }
}

/** One metadata value by its type; undefined if it is missing or of another type. */
export function textOf(header: GgufHeader, key: string): string | undefined {
  const value = header.metadata.get(key);
  return typeof value === 'string' ? value : undefined;
}

export function numberOf(header: GgufHeader, key: string): number | undefined {
  const value = header.metadata.get(key);
  return typeof value === 'number' ? value : undefined;
}

export function flagOf(header: GgufHeader, key: string): boolean | undefined {
  const value = header.metadata.get(key);
  return typeof value === 'boolean' ? value : undefined;
}

export function textsOf(header: GgufHeader, key: string): readonly string[] | undefined {
  const value = header.metadata.get(key);
  return Array.isArray(value) && (value.length === 0 || typeof value[0] === 'string')
    ? (value as readonly string[])
    : undefined;
}

export function numbersOf(header: GgufHeader, key: string): readonly number[] | undefined {
  const value = header.metadata.get(key);
  return Array.isArray(value) && (value.length === 0 || typeof value[0] === 'number')
    ? (value as readonly number[])
    : undefined;
}

/** The file's own description: `arch` "llama", `quant` "q4_k_m", `name` in lower case, words joined by `-`. */
export function describeGguf(header: GgufHeader): {
  readonly arch: string;
  readonly quant: string;
  readonly name: string;
} {
  const arch = textOf(header, 'general.architecture');
  if (arch === undefined) throw new QvacError('E_MODEL', `${basename(header.path)} does not state its architecture`);
  const quant = fileTypeNames.get(numberOf(header, 'general.file_type') ?? -1) ?? 'unknown';
  const called = slug(textOf(header, 'general.name') ?? '') || slug(basename(header.path).replace(/\.gguf$/i, ''));
  return { arch: arch.slice(0, 64), quant, name: called || 'model' };
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 64);
}
