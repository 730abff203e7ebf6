import { type FileHandle, open } from 'node:fs/promises';
import { decodeTensor, encodeTensor, type Kind, kinds } from './encoding.ts';
import { alignment, type RawTensor, type RawValue, u32, writeGguf } from './gguf-writer.ts';

/** Bytes of scalar metadata types; 8 is text, 9 a list. */
const scalarBytes: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const maxHeaderBytes = 32 * 1024 * 1024;

export interface Change {
  /** Edits a tensor's weights before they are written. */
  readonly weights?: ((name: string, weights: Float32Array) => Float32Array) | undefined;
}

/**
 * Rewrites a GGUF file with its matrices in another quantisation. Copies metadata byte for byte except the file type,
 * and leaves vectors, and for q4_0 token_embd, as they are.
 * @returns the SHA-256 of the new file in hex
 */
export async function requantise(source: string, target: string, kind: Kind, change: Change = {}): Promise<string> {
  const file = await open(source, 'r');
  try {
    const { metadata, tensors } = await readRaw(file);
    const patched = metadata.map((value) =>
      value.key === 'general.file_type' ? { ...value, bytes: u32(kinds[kind].fileType) } : value,
    );
    const rewritten = tensors.map((tensor): RawTensor => {
      const from = kindOf(tensor.type);
      const to =
        tensor.dimensions.length === 1 || (kind === 'q4_0' && /^(token_embd|output)\.weight$/.test(tensor.name))
          ? from
          : kind;
      const count = tensor.dimensions.reduce((product, size) => product * size, 1);
      return {
        ...tensor,
        type: kinds[to].number,
        bytes: (count / kinds[to].block) * kinds[to].bytes,
        async data() {
          const raw = await tensor.data();
          if (to === from && change.weights === undefined) return raw;
          const weights = decodeTensor(raw, from);
          return encodeTensor(change.weights?.(tensor.name, weights) ?? weights, to);
        },
      };
    });
    return await writeGguf(target, patched, rewritten);
  } finally {
    await file.close();
  }
}

function kindOf(type: number): Kind {
  for (const kind of Object.keys(kinds) as Kind[]) if (kinds[kind].number === type) return kind;
  throw new Error(`tensor type ${type} is not read here`);
}

async function readRaw(
  file: FileHandle,
): Promise<{ readonly metadata: readonly RawValue[]; readonly tensors: readonly RawTensor[] }> {
  const head = Buffer.alloc(maxHeaderBytes);
  await file.read(head, 0, maxHeaderBytes, 0);
  let at = 8;
  const u32At = (): number => head.readUInt32LE((at += 4) - 4);
  const u64At = (): number => Number(head.readBigUInt64LE((at += 8) - 8));
  const textAt = (): string => {
    const length = u64At();
    return head.toString('utf8', at, (at += length));
  };
  const skip = (type: number): void => {
    if (type === 8) textAt();
    else if (type !== 9) at += scalarBytes[type] ?? 0;
    else {
      const [element, count] = [u32At(), u64At()];
      if (element === 8) for (let item = 0; item < count; item++) textAt();
      else at += (scalarBytes[element] ?? 0) * count;
    }
  };
  const [tensorCount, metadataCount] = [u64At(), u64At()];
  const metadata = Array.from({ length: metadataCount }, (): RawValue => {
    const [key, type, start] = [textAt(), u32At(), at];
    skip(type);
    return { key, type, bytes: head.subarray(start, at) };
  });
  const infos = Array.from({ length: tensorCount }, () => {
    const name = textAt();
    const dimensions = Array.from({ length: u32At() }, u64At);
    return { name, dimensions, type: u32At(), offset: u64At() };
  });
  const base = Math.ceil(at / alignment) * alignment;
  const tensors = infos.map(({ name, dimensions, type, offset }): RawTensor => {
    const kind = kinds[kindOf(type)];
    const bytes = (dimensions.reduce((product, size) => product * size, 1) / kind.block) * kind.bytes;
    return {
      name,
      dimensions,
      type,
      bytes,
      async data() {
        const data = Buffer.alloc(bytes);
        await file.read(data, 0, bytes, base + offset);
        return data;
      },
    };
  });
  return { metadata, tensors };
}
