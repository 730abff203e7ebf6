import { sha256 } from '@noble/hashes/sha2.js';
import * as v from 'valibot';
import { encodeCbor } from '../codec.ts';
import { integer, natural, text } from './fields.ts';

/** Everything that can change the bits of a logit (section 2). `execClass = SHA(cbor(exec))`. */
export interface Exec {
  /** `llama.cpp <release>` */
  readonly engine: string;
  readonly backend: 'cpu' | 'cuda' | 'metal' | 'vulkan';
  /** Feature string of the CPU or GPU. */
  readonly kernels: string;
  /** 0 if the bits do not depend on the number of threads. */
  readonly threads: number;
  /** Most tokens per call of anything but the prompt. */
  readonly batch: number;
  /** Tokens per call of the prompt. */
  readonly promptBatch: number;
  readonly flash: boolean;
  readonly kv: 'f16';
  /** Layers on the GPU; 0 with backend `cpu`. */
  readonly gpuLayers: number;
  /** Most sequences evaluated in one call, a companion not counted. */
  readonly sequences: number;
}

export const exec = v.pipe(
  v.strictObject({
    engine: text,
    backend: v.picklist(['cpu', 'cuda', 'metal', 'vulkan']),
    kernels: text,
    threads: natural,
    batch: integer(1),
    promptBatch: integer(1),
    flash: v.boolean(),
    kv: v.literal('f16'),
    gpuLayers: natural,
    sequences: integer(1),
  }),
  v.check(({ backend, gpuLayers }) => backend !== 'cpu' || gpuLayers === 0, 'layers on a GPU with backend cpu'),
);

/** Section 2: everything that can change the bits of a logit, as one digest. */
export function execClassOf(map: Exec): Uint8Array {
  return sha256(encodeCbor(map));
}
