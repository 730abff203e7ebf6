import * as v from 'valibot';
import type { JsonForm } from '../../lib/json-file.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { maxPoolParts } from '../../proofs/statistics/pooled.ts';
import { type FaultCode, faultCodes } from '../../protocol/messages.ts';
import { maxPools, maxProviders, maxSpeeds } from './constants.ts';

const count = v.pipe(v.number(), v.finite(), v.minValue(0));

const speed = v.strictObject({ tokensPerSecond: count, firstTokenMs: count });

/** A fault that no single answer shows: many together are too far from the model (protocol section 6). */
export const poolFar = 'pool-far';
/** What a provider's record may hold against it. */
export type RecordedFault = FaultCode | typeof poolFar;

const part = v.strictObject({ steps: count, sum: count });

const record = v.strictObject({
  /** Unix milliseconds from which the counts decay. */
  at: count,
  served: count,
  aborted: count,
  busy: count,
  verified: count,
  /** Their price. */
  verifiedLamports: count,
  faults: count,
  lastFault: v.nullable(v.picklist([...faultCodes, poolFar])),
  /** Broken jobs since the last served one. */
  streak: count,
  /** Unix milliseconds until which the provider is not used; 0: no limit. */
  restUntil: count,
  /** By model id. */
  speeds: v.pipe(
    v.record(v.string(), speed),
    v.check((speeds) => Object.keys(speeds).length <= maxSpeeds),
  ),
  /** Its newest steps that were drawn again, by model id. */
  pools: v.pipe(
    v.record(v.string(), v.pipe(v.array(part), v.maxLength(maxPoolParts))),
    v.check((pools) => Object.keys(pools).length <= maxPools),
  ),
});

const file = v.strictObject({
  version: v.literal(1),
  providers: v.pipe(
    v.record(v.string(), record),
    v.check((providers) => Object.keys(providers).length <= maxProviders),
  ),
});

export type Speed = Readonly<v.InferOutput<typeof speed>>;
export type ProviderRecord = Readonly<v.InferOutput<typeof record>>;

type Records = ReadonlyMap<PeerIdString, ProviderRecord>;

export const reputationForm: JsonForm<Records> = {
  toJson: (records) => ({ version: 1, providers: Object.fromEntries(records) }) satisfies v.InferInput<typeof file>,
  parse(json) {
    const { success, output } = v.safeParse(file, json);
    if (!success) return null;
    return new Map(Object.entries(output.providers).map(([peer, known]) => [peer as PeerIdString, known]));
  },
};
