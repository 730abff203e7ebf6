import fc from 'fast-check';
import { MIN_STAKE, SOL } from './world.ts';

// What people may try, honest ones, greedy ones and thieves: numbers at and around every limit.

const latest = fc.constantFrom(0, 0, 0, 0, 1, 2);
const pick = <Value>(...values: readonly Value[]) => fc.constantFrom(...values);
const act = <Name extends string, Fields extends object>(
  name: Name,
  fields: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> },
) => fc.record({ do: fc.constant(name), ...fields }) as fc.Arbitrary<{ readonly do: Name } & Readonly<Fields>>;

/** First what may be submitted. */
const deliveries: readonly (readonly [tokens: number, acked: number, finish: number, stop: number])[] = [
  [1, 1, 0, 0],
  [1, 1, 0, 0],
  [1, 1, 0, 0],
  [1, 1, 0, 0],
  [64, 64, 1, 0],
  [38, 38, 0, 0],
  [60, 5, 2, 1],
  [60, 5, 3, 0],
  [60, 0, 3, 0],
  [0, 0, 3, 0],
  [64, 64, 4, 0],
  [1, 1, 4, 0],
  [65, 1, 0, 0],
  [38, 39, 0, 0],
  [10, 10, 2, 0],
  [10, 10, 255, 0],
];
const modes = pick(1, 1, 1, 1, 2, 0, 4);
const makes = pick('honest' as const, 'honest' as const, 'false' as const);
/** Committed and released, in parts of the deposit, and lamports on top. */
const totals = pick(
  [0, 0, 0n],
  [1, 0, 0n],
  [1, 1, 0n],
  [2, 1, 0n],
  [2, 2, 0n],
  [4, 3, 0n],
  [8, 8, 0n],
  [8, 8, 1n],
  [1, 2, 0n],
) as fc.Arbitrary<readonly [number, number, bigint]>;
const who = pick('payer' as const, 'authority' as const, 'stranger' as const);

const weighted = [
  [
    5,
    act('create', {
      buyer: fc.nat(1),
      seller: fc.nat(1),
      mode: modes,
      again: pick(false, false, false, true),
      price: pick(0n, 777n, 777n, 777n, 100_000n, MIN_STAKE / 20n, MIN_STAKE / 10n, SOL),
      off: pick(0n, 0n, 0n, 0n, 0n, 0n, 0n, 1n, -1n),
    }),
  ],
  [7, act('submit', { job: latest, delivery: pick(...deliveries), make: makes })],
  [2, act('refund', { job: latest, by: who })],
  [4, act('confirm', { job: latest, by: who })],
  [2, act('reject', { job: latest })],
  [
    4,
    act('open', {
      buyer: fc.nat(1),
      seller: fc.nat(1),
      deposit: pick(0n, 8_000n, 80_000n, 80_000n, 80_000n, SOL),
      parts: pick(0n, 1n, 1n, 1n, 8n, 9n),
      again: pick(false, false, false, true),
    }),
  ],
  [1, act('topUp', { channel: latest, amount: pick(0n, 8n, 8n) })],
  [4, act('settle', { channel: latest, totals })],
  [3, act('close', { channel: latest, totals, stop: pick(2, 2, 2, 2, 0, 1) })],
  [3, act('requestClose', { channel: latest, by: who })],
  [2, act('rejectChannel', { channel: latest })],
  [3, act('finish', { channel: latest })],
  [
    5,
    act('evidence', {
      channel: latest,
      mode: modes,
      make: makes,
      by: pick('payer' as const, 'payer' as const, 'payer' as const, 'node' as const, 'stranger' as const),
    }),
  ],
  [1, act('closeEvidence', { evidence: latest })],
  [
    7,
    act('challenge', {
      of: pick('job' as const, 'evidence' as const),
      at: latest,
      by: pick('payer' as const, 'payer' as const, 'node' as const, 'stranger' as const),
    }),
  ],
  [5, act('answer', { of: pick('job' as const, 'evidence' as const), at: latest })],
  [
    3,
    act('slash', {
      of: pick('job' as const, 'evidence' as const),
      at: latest,
      why: pick(
        'silence' as const,
        'silence' as const,
        'equivocation' as const,
        'sampler' as const,
        'sampler' as const,
      ),
    }),
  ],
  [1, act('stake', { seller: fc.nat(1), amount: pick(0n, 1n, MIN_STAKE) })],
  [
    1,
    act('withdraw', {
      seller: fc.nat(1),
      amount: pick('nothing' as const, 'one' as const, 'free' as const, 'more' as const),
    }),
  ],
  [1, act('rotate', { seller: fc.nat(1) })],
  [1, act('empty', { of: pick('buyer' as const, 'node' as const, 'seller' as const), at: fc.nat(1) })],
  [1, act('wait', { seconds: pick(1n, 61n, 300n, 3_600n) })],
  [
    5,
    act('edge', {
      of: pick('job' as const, 'channel' as const, 'evidence' as const),
      at: latest,
      which: fc.nat(2),
      seconds: pick(-1n, 0n),
    }),
  ],
] as const;

const action = fc.oneof(
  ...(weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })) as {
    weight: number;
    arbitrary: (typeof weighted)[number][1];
  }[]),
) as fc.Arbitrary<Action>;

export type Action = (typeof weighted)[number][1] extends fc.Arbitrary<infer Value> ? Value : never;
type ActionOf<Union, Name> = Union extends { readonly do: Name } ? Union : never;
export type Of<Name extends Action['do']> = ActionOf<Action, Name>;

/** Sequences long enough for a channel from its opening to its end. */
export const sequences = (length: { readonly minLength: number; readonly maxLength: number }) =>
  fc.array(action, { ...length, size: 'max' });
