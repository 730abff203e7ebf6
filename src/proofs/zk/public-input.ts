import { zkCircuitSteps } from '../../protocol/constants.ts';
import type { Offer, Sampler } from '../../protocol/messages.ts';
import { drawsOf, type Weighing, weightsOf } from '../sampling/sampler.ts';
import { toInteger } from './field.ts';
import { poseidon } from './poseidon.ts';

/** A step as a proof's public input has it. */
export interface ProvenStep {
  readonly i: number;
  readonly token: number;
  readonly zk: Uint8Array;
}

/**
 * Section 4.8: the public input of a proof, one field element.
 * @param steps 1 to 16; the last one fills up
 */
export function zkPublicInput(
  { seed, start, sampler }: Pick<Offer, 'seed' | 'start' | 'sampler'>,
  steps: readonly ProvenStep[],
): bigint {
  const draw = drawsOf(seed);
  const drawn = steps.map(({ i, token, zk }) => ({
    token,
    zk,
    draw: sampler.temperature === 0 ? 0n : draw(start + i),
  }));
  return publicInputOf(sampler, drawn);
}

export interface DrawnStep {
  readonly token: number;
  readonly zk: Uint8Array;
  /** 0 at temperature 0. */
  readonly draw: bigint;
}

/** The public input with the draws given. */
export function publicInputOf(sampler: ZkSettings, steps: readonly DrawnStep[]): bigint {
  const filled = Array.from({ length: zkCircuitSteps }, (_, at) => steps[Math.min(at, steps.length - 1)]);
  const zks = filled.map((step) => toInteger(step?.zk ?? new Uint8Array()));
  const inner = poseidon([packedSettings(sampler), ...packedTokens(filled), ...zks.slice(0, 7)]);
  return poseidon([inner, ...zks.slice(7)]);
}

type ZkSettings = Pick<Sampler, 'temperature' | 'minP' | 'topK' | 'vocab'>;

/** `p0`: temperature, cut, number of candidates and vocabulary in one element. */
export function packedSettings({ temperature, minP, topK, vocab }: ZkSettings): bigint {
  const cut = BigInt(cutDistance(temperature, minP));
  const count = BigInt(Math.min(topK, vocab));
  return BigInt(Math.max(temperature, 1)) + (cut << 8n) + (count << 24n) + (BigInt(vocab) << 32n);
}

/** `tk_0 … tk_3`: four steps' tokens and the upper halves of their draws in each. */
export function packedTokens(steps: readonly (Pick<DrawnStep, 'token' | 'draw'> | undefined)[]): readonly bigint[] {
  return [0, 4, 8, 12].map((from) =>
    steps.slice(from, from + 4).reduce((sum, step, at) => {
      const packed = BigInt(step?.token ?? 0) + (((step?.draw ?? 0n) >> 32n) << 18n);
      return sum + (packed << (50n * BigInt(at)));
    }, 0n),
  );
}

/** Beyond any distance with a weight above 0. */
const maxCutDistance = 2 ** 16;

/** `D`: the greatest distance from the best, in 1024ths of a nat, whose weight is above 0 and not below minP. */
export function cutDistance(temperature: number, minP: number): number {
  if (temperature === 0) return 0;
  const isKept = (distance: number): boolean => {
    const weighing: Weighing = { temperature, minP, topP: 100 };
    const [, weight = 0] = weightsOf(
      [
        [0, 0],
        [1, -distance],
      ],
      weighing,
    );
    return weight > 0;
  };
  let [kept, cut] = [0, maxCutDistance];
  while (cut - kept > 1) {
    const middle = (kept + cut) >> 1;
    if (isKept(middle)) kept = middle;
    else cut = middle;
  }
  return kept;
}
