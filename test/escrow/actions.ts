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
    3,
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
  [1, act('refund', { job: latest, by: who })],
  [3, act('confirm', { job: latest, by: who })],
  [1, act('reject', { job: latest })],
  [
    2,
    act('open', {
      buyer: fc.nat(1),
      seller: fc.nat(1),
      deposit: pick(0n, 8_000n, 80_000n, 80_000n, 80_000n, SOL),
      parts: pick(0n, 1n, 1n, 1n, 8n, 9n),
      again: pick(false, false, false, true),
    }),
  ],
  [1, act('topUp', { channel: latest, amount: pick(0n, 8n, 8n) })],
  [3, act('settle', { channel: latest, totals })],
  [2, act('close', { channel: latest, totals, stop: pick(2, 2, 2, 2, 0, 1) })],
  [4, act('requestClose', { channel: latest, by: who })],
  [2, act('rejectChannel', { channel: latest })],
  [5, act('finish', { channel: latest })],
  [
    4,
    act('evidence', {
      channel: latest,
      mode: modes,
      make: makes,
      by: pick('payer' as const, 'payer' as const, 'payer' as const, 'node' as const, 'stranger' as const),
    }),
  ],
  [3, act('closeEvidence', { evidence: latest })],
  [
    6,
    act('challenge', {
      of: pick('job' as const, 'evidence' as const),
      at: latest,
      by: pick('payer' as const, 'payer' as const, 'node' as const, 'stranger' as const),
    }),
  ],
  [3, act('answer', { of: pick('job' as const, 'evidence' as const), at: latest })],
  [
    5,
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
    10,
    act('edge', {
      of: pick('job' as const, 'channel' as const, 'evidence' as const),
      at: latest,

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

/** Each value as the only one that can be picked. */
function constants<Fields extends object>(fields: Fields): { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> } {
  const entries = Object.entries(fields).map(([name, value]) => [name, fc.constant(value)]);
  return Object.fromEntries(entries) as { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> };
}

const good = { buyer: 0, seller: 1, again: false } as const;
const submits = act('submit', {
  job: fc.constant(0),
  delivery: pick([1, 1, 0, 0] as const, [1, 1, 0, 0] as const, [60, 5, 3, 0] as const),
  make: makes,
});

/** What follows on a start in most lives, in this order; some of it is left out. */
function life(start: readonly fc.Arbitrary<Action>[], course: readonly fc.Arbitrary<Action>[]): fc.Arbitrary<Action[]> {
  const indexes = course.map((_, index) => index);
  const rest = fc.oneof(
    { weight: 3, arbitrary: fc.subarray(indexes, { minLength: 2 }) },
    { weight: 1, arbitrary: fc.shuffledSubarray(indexes, { minLength: 2 }) },
  );
  return fc
    .tuple(fc.tuple(...start), fc.tuple(...course), rest)
    .map(([first, all, chosen]) => [...first, ...chosen.map((index) => all[index] as Action)]);
}

const edgeOf = (of: 'job' | 'channel' | 'evidence') =>
  act('edge', { of: fc.constant(of), at: fc.constant(0), seconds: pick(-1n, 0n, 0n, 0n) });
const at0 = fc.constant(0);
const proofsOf = (of: 'job' | 'evidence') => [
  act('challenge', { of: fc.constant(of), at: at0, by: pick('payer' as const, 'node' as const) }),
  act('answer', { of: fc.constant(of), at: at0 }),
  edgeOf(of),
  act('slash', {
    of: fc.constant(of),
    at: at0,
    why: pick('silence' as const, 'silence' as const, 'equivocation' as const, 'sampler' as const),
  }),
];
const jobLife = life(
  [act('create', { ...constants(good), mode: modes, price: pick(0n, 777n, 100_000n), off: fc.constant(0n) })],
  [
    submits,
    ...proofsOf('job'),
    edgeOf('job'),
    edgeOf('job'),
    act('confirm', { job: at0, by: who }),
    act('reject', { job: at0 }),
    act('refund', { job: at0, by: who }),
  ],
);
const channelLife = life(
  [act('open', { ...constants(good), deposit: pick(8_000n, 80_000n), parts: pick(1n, 8n) })],
  [
    act('settle', { channel: at0, totals }),
    edgeOf('channel'),
    act('evidence', { channel: at0, mode: modes, make: makes, by: pick('payer' as const, 'node' as const) }),
    ...proofsOf('evidence'),
    act('settle', { channel: at0, totals }),
    act('close', { channel: at0, totals, stop: fc.constant(2) }),
    act('requestClose', { channel: at0, by: who }),
    act('rejectChannel', { channel: at0 }),
    act('challenge', { of: fc.constant('evidence' as const), at: at0, by: fc.constant('payer' as const) }),
    act('answer', { of: fc.constant('evidence' as const), at: at0 }),
    edgeOf('channel'),
    edgeOf('channel'),
    act('finish', { channel: at0 }),
    act('closeEvidence', { evidence: at0 }),
  ],
);

/** Lives of jobs and channels, in which most calls do something, with anything else between. */
export const sequences = (length: { readonly minLength: number; readonly maxLength: number }): fc.Arbitrary<Action[]> =>
  fc
    .array(
      fc.oneof(
        { weight: 4, arbitrary: action.map((step) => [step]) },
        { weight: 1, arbitrary: jobLife },
        { weight: 1, arbitrary: channelLife },
      ),
      { ...length, size: 'max' },
    )
    .map((parts) => parts.flat());
