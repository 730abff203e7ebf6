import type { ModelId } from '../../lib/types.ts';
import type { Pool, PoolFinding } from '../../proofs/statistics/pooled.ts';
import {
  cooldownMs,
  experienceHalfLifeMs,
  faultHalfLifeMs,
  maxCooldownMs,
  maxPools,
  maxSpeeds,
  minSpeedTokens,
  silenceWeight,
  speedWeight,
  streakLimit,
} from './constants.ts';
import type { ProviderRecord, RecordedFault } from './reputation-file.ts';

/** How the record of a provider changes with what it does, and with time. */

/** What one job says about its provider. */
export type Experience =
  /** Sent the final head. `n` tokens; times from the offer. */
  | {
      readonly kind: 'served';
      readonly model: ModelId;
      readonly n: number;
      readonly firstTokenMs: number;
      readonly totalMs: number;
    }
  | { readonly kind: 'busy' }
  /** Broke off, froze, sent an error or was unreachable. */
  | { readonly kind: 'aborted' }
  /** Passed a re-execution; what it is worth in lamports (`worthOf`). */
  | { readonly kind: 'verified'; readonly lamports: number }
  | { readonly kind: 'fault'; readonly fault: RecordedFault };

const halved = (count: number, elapsedMs: number, halfLifeMs: number): number =>
  count * 2 ** (-Math.max(0, elapsedMs) / halfLifeMs);

/** `record`, its counts decayed from when it was written to `now`. A clock that was ahead then changes nothing. */
export function decay(record: ProviderRecord, now: number): ProviderRecord {
  const elapsed = now - record.at;
  return {
    ...record,
    at: now,
    served: halved(record.served, elapsed, experienceHalfLifeMs),
    aborted: halved(record.aborted, elapsed, experienceHalfLifeMs),
    busy: halved(record.busy, elapsed, experienceHalfLifeMs),
    verified: halved(record.verified, elapsed, experienceHalfLifeMs),
    verifiedLamports: halved(record.verifiedLamports, elapsed, faultHalfLifeMs),
    faults: halved(record.faults, elapsed, faultHalfLifeMs),
    restUntil: record.restUntil > now + maxCooldownMs ? 0 : record.restUntil,
  };
}

export const newcomer = (now: number): ProviderRecord => ({
  at: now,
  served: 0,
  aborted: 0,
  busy: 0,
  verified: 0,
  verifiedLamports: 0,
  faults: 0,
  lastFault: null,
  streak: 0,
  restUntil: 0,
  speeds: {},
  pools: {},
});

export function learn(record: ProviderRecord, experience: Experience, now: number): ProviderRecord {
  switch (experience.kind) {
    case 'served':
      return {
        ...record,
        served: record.served + 1,
        streak: 0,
        restUntil: 0,
        speeds: learnSpeed(record.speeds, experience),
      };
    case 'busy':
      return { ...record, busy: record.busy + 1 };
    case 'aborted': {
      // Concurrent jobs break off together: they count as one outage.
      if (record.restUntil > now) return { ...record, aborted: record.aborted + 1 };
      const streak = record.streak + 1;
      const rest = streak < streakLimit ? 0 : Math.min(maxCooldownMs, cooldownMs * 4 ** (streak - streakLimit));
      return { ...record, aborted: record.aborted + 1, streak, restUntil: now + rest };
    }
    case 'verified':
      return {
        ...record,
        verified: record.verified + 1,
        verifiedLamports: record.verifiedLamports + experience.lamports,
      };
    case 'fault':
      return {
        ...record,
        faults: record.faults + (experience.fault === 'silence' ? silenceWeight : 1),
        lastFault: experience.fault,
        // A cheat that comes back is audited like a newcomer.
        verifiedLamports: experience.fault === 'silence' ? record.verifiedLamports : 0,
      };
  }
}

function learnSpeed(
  speeds: ProviderRecord['speeds'],
  job: Extract<Experience, { kind: 'served' }>,
): ProviderRecord['speeds'] {
  const streamingMs = job.totalMs - job.firstTokenMs;
  if (job.n < minSpeedTokens || streamingMs <= 0) return speeds;
  const measured = { tokensPerSecond: ((job.n - 1) * 1_000) / streamingMs, firstTokenMs: job.firstTokenMs };
  const { [job.model]: known, ...others } = speeds;
  const mean = (was: number | undefined, is: number): number =>
    was === undefined ? is : was + speedWeight * (is - was);
  const updated = {
    tokensPerSecond: mean(known?.tokensPerSecond, measured.tokensPerSecond),
    firstTokenMs: mean(known?.firstTokenMs, measured.firstTokenMs),
  };
  // In order of use, so that the oldest measurements are dropped.
  return Object.fromEntries([...Object.entries(others), [job.model, updated] as const].slice(-maxSpeeds));
}

/** In order of use, so that the pools of models that are no longer asked for are dropped. */
export function keptPools(
  pools: ProviderRecord['pools'],
  model: ModelId,
  pool: Pool,
  { result }: PoolFinding,
): ProviderRecord['pools'] {
  const { [model]: _replaced, ...others } = pools;
  const all: ProviderRecord['pools'] = result === 'fail' ? others : { ...others, [model]: [...pool] };
  return Object.fromEntries(Object.entries(all).slice(-maxPools));
}
