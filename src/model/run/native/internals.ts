import { isWanted, type NativeCall, nativeTokens } from './native-call.ts';

/**
 * What is used of the library beyond its public interface, which fixes before a call what is read after it: a position
 * whose logits are still there can be read again, without some tokens. A release that lacks a part of it gives
 * null, and the public interface serves, more slowly.
 */
export interface NativeInternals {
  decode<T>(
    call: NativeCall,
    read: (batchIndex: number, at: number) => Promise<T>,
  ): Promise<readonly (T | undefined)[]>;
  createSampler(): NativeSampler;
  sample(batchIndex: number, sampler: NativeSampler): Promise<readonly number[]>;
}

interface NativeSampler {
  applyConfig(config: object): void;
  dispose(): void;
}

/** Reads positions of the last call, one after another. */
export interface Reader {
  /** The largest `count` logits of a position; of the tokens `only`, ascending and `count` many, if they are named. */
  read(
    internals: NativeInternals,
    batchIndex: number,
    count: number,
    only: readonly number[] | null,
  ): Promise<ReadonlyMap<number, number>>;
  dispose(): void;
}

/** As a sampler of the library takes it: all that changes a logit is off. */
const plain = { temperature: 1, topP: 1, minP: 0, seed: 1, repeatPenaltyMaxTokens: 0 } as const;

/** Bytes of the biases that are kept, and of one: its token and its value. */
const maxBiasBytes = 16 * 2 ** 20;
const biasBytes = 8;

/**
 * To read some tokens alone, a sampler bans all others, and telling it so takes longer than reading. Grammars come back
 * to the same tokens again and again: the samplers of the last ones are kept.
 */
export function openReader(vocab: number): Reader {
  const most = Math.max(1, Math.floor(maxBiasBytes / (biasBytes * vocab)));
  let minusInfinity: Float32Array | null = null;
  /** By their tokens, those that were used last at the end. */
  const kept = new Map<string, NativeSampler>();
  let ofAll: NativeSampler | null = null;
  let before: Promise<unknown> = Promise.resolve();

  function samplerOf(internals: NativeInternals, only: readonly number[]): NativeSampler {
    const key = only.join();
    const known = kept.get(key);
    kept.delete(key);
    const [oldest] = kept;
    if (known === undefined && oldest !== undefined && kept.size >= most) {
      kept.delete(oldest[0]);
      oldest[1].dispose();
    }
    const sampler = known ?? internals.createSampler();
    kept.set(key, sampler);
    if (known === undefined) {
      const others = othersThan(only, vocab);
      minusInfinity ??= new Float32Array(vocab).fill(Number.NEGATIVE_INFINITY);
      const bias = { tokenBiasKeys: others, tokenBiasValues: minusInfinity.subarray(0, others.length) };
      sampler.applyConfig({ ...plain, ...(others.length === 0 ? {} : bias), topK: only.length });
    }
    return sampler;
  }

  async function readNow(
    internals: NativeInternals,
    batchIndex: number,
    count: number,
    only: readonly number[] | null,
  ): Promise<ReadonlyMap<number, number>> {
    ofAll ??= internals.createSampler();
    const sampler = only === null ? ofAll : samplerOf(internals, only);
    if (only === null) sampler.applyConfig({ ...plain, topK: count });
    const pairs = await internals.sample(batchIndex, sampler);
    const logits = new Map<number, number>();
    for (let at = 0; at + 1 < pairs.length; at += 2) logits.set(pairs[at] ?? 0, pairs[at + 1] ?? Number.NaN);
    return logits;
  }

  return {
    read(internals, batchIndex, count, only) {
      const reading = before.then(() => readNow(internals, batchIndex, count, only));
      before = reading.catch(() => undefined);
      return reading;
    },
    dispose() {
      for (const sampler of [...kept.values(), ...(ofAll === null ? [] : [ofAll])]) sampler.dispose();
      kept.clear();
      ofAll = null;
    },
  };
}

/** The tokens that are not in an ascending list. Of a large vocabulary, so that plain loops count. */
function othersThan(ids: readonly number[], vocab: number): Uint32Array {
  const others = new Uint32Array(vocab - ids.length);
  let at = 0;
  let next = 0;
  for (const id of [...ids, vocab]) {
    for (; next < id; next++) others[at++] = next;
    next++;
  }
  return others;
}

/** One engine call; `read` for each wanted token. */
export async function decodeReading<T>(
  internals: NativeInternals,
  call: NativeCall,
  read: (batchIndex: number, at: number) => Promise<T>,
): Promise<readonly T[]> {
  const results = await internals.decode(call, read);
  return results.slice(call.logitsFrom, call.tokens.length).flatMap((result) => (result === undefined ? [] : [result]));
}

/**
 * Makes the state of `to` the first `length` tokens of that of `from`. False for a release of the library of another
 * shape, or where the copy is not what was asked for.
 */
export async function copySequence(from: object, to: object, length: number): Promise<boolean> {
  const copy = methodOf(to, '_copyStateFromOtherSequence');
  return copy !== null && (await copy(from, length)) === true;
}

/** The internals behind a context sequence of node-llama-cpp 3.22, or null for a release of another shape. */
export function internalsOfSequence(sequence: object): NativeInternals | null {
  const decode = methodOf(sequence, '_decodeTokens');
  const meter = partOf(sequence, '_tokenMeter');
  const native = partOf(partOf(sequence, '_context'), '_ctx');
  const sample = methodOf(native, 'sampleToken');
  const model = partOf(sequence, 'model');
  const nativeModel = partOf(model, '_model');
  const samplers = partOf(partOf(partOf(model, '_llama'), '_bindings'), 'AddonSampler');
  if (decode === null || meter === null || sample === null || nativeModel === null || !isConstructor(samplers))
    return null;
  return {
    async decode(call, read) {
      const tokens = nativeTokens(call);
      // The context never shifts: a call that would not fit was refused.
      const shift = { size: 1, strategy: 'eraseBeginning' };
      const nothing = (): void => undefined;
      const wanted = tokens.map((_, at) => isWanted(call, at) || undefined);
      return (await decode(tokens, wanted, call.lane, meter, shift, read, nothing)) as Awaited<
        ReturnType<typeof read>
      >[];
    },
    createSampler: () => new samplers(nativeModel) as NativeSampler,
    async sample(batchIndex, sampler) {
      const [, , , logits] = (await sample(batchIndex, sampler, false, false, true, false)) as unknown[];
      return (logits ?? []) as number[];
    },
  };
}

type Method = (...args: readonly unknown[]) => unknown;

function partOf(whole: unknown, name: string): object | null {
  if ((typeof whole !== 'object' && typeof whole !== 'function') || whole === null) return null;
  const part: unknown = Reflect.get(whole, name);
  return (typeof part === 'object' || typeof part === 'function') && part !== null ? part : null;
}

function methodOf(whole: object | null, name: string): Method | null {
  const method = partOf(whole, name);
  return typeof method === 'function' ? (...args) => Reflect.apply(method, whole, args) as unknown : null;
}

function isConstructor(part: object | null): part is new (...args: readonly unknown[]) => object {
  return typeof part === 'function';
}
