import { access, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { requantise } from '../src/model/quantise/requantise.ts';

export interface SourceModel {
  readonly path: string;
  /** SHA-256 in hex. */
  readonly id: string;
  /** As in `Q4_1`, in any case. */
  readonly quant: string;
}

/** Weights that share a scale in the 4-bit formats. */
const blockSize = 32;

/**
 * Makes a cheaper quantisation of a model in `folder`, once for each: Q4_0, and of Q4_0 itself one with five levels for
 * a weight instead of sixteen. @returns its file
 */
export async function worseModel({ path, id, quant }: SourceModel, folder: string): Promise<string> {
  const target = join(folder, `worse-${id.slice(0, 16)}.gguf`);
  const made = await access(target).then(
    () => true,
    () => false,
  );
  if (!made) {
    await mkdir(folder, { recursive: true });
    const change = quant.toLowerCase() === 'q4_0' ? { weights: coarser } : {};
    await requantise(path, `${target}.part`, 'q4_0', change);
    await rename(`${target}.part`, target);
  }
  return target;
}

/** The matrices of the layers with five levels for each weight; other tensors as they are. */
function coarser(name: string, weights: Float32Array): Float32Array {
  if (!/^blk\.\d+\.(attn|ffn)_\w+\.weight$/.test(name) || name.includes('norm')) return weights;
  const coarse = new Float32Array(weights.length);
  for (let from = 0; from < weights.length; from += blockSize) {
    const block = weights.subarray(from, from + blockSize);
    const step = block.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) / 2;
    for (const [at, weight] of block.entries()) coarse[from + at] = step === 0 ? 0 : Math.round(weight / step) * step;
  }
  return coarse;
}
