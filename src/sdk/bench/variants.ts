import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { QvacError } from '../../errors.ts';
import { toHex, utf8 } from '../../lib/bytes.ts';
import { ensureDir } from '../../lib/files.ts';
import type { Kind } from '../../model/quantise/encoding.ts';
import { requantise } from '../../model/quantise/requantise.ts';
import type { StoredModel } from '../../model/store.ts';
import { sha256 } from '../../protocol/digests.ts';
import type { Variant } from './answers/tasks.ts';
import type { ModelFile } from './labs/wire.ts';

/** Model files that the cheats run, made of the one that is paid for. */

/** Quantisations that can be read and written here. */
const writable: readonly Kind[] = ['f16', 'q8_0', 'q4_1', 'q4_0'];
const noiseShares = { 'noise-1': 0.01, 'noise-5': 0.05 } as const;

/** What a cheaper file is made as where none is named; null: as cheap as it gets here. */
function cheaperThan(quant: string): Kind | null {
  return ({ f16: 'q8_0', q8_0: 'q4_0', q4_1: 'q4_0' } as const)[quant as 'f16' | 'q8_0' | 'q4_1'] ?? null;
}

/**
 * The files for all variants that can be made, each once; they stay in `dir`.
 * @param cheap the cheaper model, if the person named one
 */
export async function makeVariants(
  dear: StoredModel,
  cheap: StoredModel | null,
  dir: string,
): Promise<Readonly<Partial<Record<Variant, ModelFile>>>> {
  const files: Partial<Record<Variant, ModelFile>> = { dear: fileOf(dear), kv: fileOf(dear) };
  await ensureDir(dir);
  const quant = dear.quant as Kind;
  const to = cheap === null ? cheaperThan(dear.quant) : null;
  if (cheap !== null) files.cheap = fileOf(cheap);
  else if (to !== null) files.cheap = await made(dear, dir, `as-${to}`, (path) => requantise(dear.path, path, to));
  // There is no encoder for Q4_1.
  if (!writable.includes(quant) || quant === 'q4_1') return files;
  for (const [variant, share] of Object.entries(noiseShares))
    files[variant as keyof typeof noiseShares] = await made(dear, dir, variant, (path) =>
      requantise(dear.path, path, quant, { weights: (_, weights) => noisy(weights, share) }),
    );
  return files;
}

function fileOf({ path, id, name }: StoredModel): ModelFile {
  return { path, id, name };
}

async function made(
  dear: StoredModel,
  dir: string,
  label: string,
  make: (path: string) => Promise<string>,
): Promise<ModelFile> {
  const path = join(dir, `${dear.id.slice(0, 16)}-${label}.gguf`);
  // Nobody asks for it by its digest: any id of its own will do.
  const file = { path, id: toHex(sha256(utf8(`${dear.id} ${label}`))), name: `${dear.name} ${label}` };
  if ((await stat(path).catch(() => null)) !== null) return file;
  try {
    await make(path);
    return file;
  } catch (error) {
    await rm(path, { force: true });
    throw new QvacError('E_MODEL', `cannot make a cheaper version of ${dear.name} ${dear.quant}`, {
      hint: 'name one: --cheap MODEL',
      cause: error,
    });
  }
}

/** Every weight changed by about `share` of itself, the same way each time. */
function noisy(weights: Float32Array, share: number): Float32Array {
  let state = 1;
  return weights.map((weight) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Uniform, with a standard deviation of 1.
    return weight * (1 + share * Math.sqrt(12) * (state / 2 ** 32 - 0.5));
  });
}
