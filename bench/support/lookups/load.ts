import { maxVolunteers } from '../../../src/node/discovery/live-list.ts';
import { searchLimits } from '../../../src/node/discovery/lookup.ts';
import { wantedRelays } from '../../../src/node/peer/circuit/constants.ts';
import { defaultStoreLimits } from '../../../src/node/peer/libp2p/bounded-store.ts';
import { recordTimes } from '../../../src/node/peer/libp2p.ts';
import { defaultRelayLimits } from '../../../src/node/relay/constants.ts';

/** Assumed, not measured: what nodes do in an hour. */
export const assumed = {
  /** New questions of one client; there are as many clients as nodes. */
  questionsPerHour: 1,
  /** Share of providers that no client can reach directly, nor after punching: behind a symmetric router. */
  hiddenShare: 0.2,
  /** Clients connected to a hidden provider at a time. */
  clientsOfHidden: 4,
} as const;

/** What each of the nodes nearest to one key bears if `providers` nodes announce it. */
export interface KeyLoad {
  readonly providers: number;
  /** Records that it is sent within the life of a record, and that it holds. */
  readonly sentRecords: number;
  readonly keptRecords: number;
  /** Announcements that reach it a second: each provider renews its record at each of them. */
  readonly announcementsPerSecond: number;
  /** Providers in one answer, and without the limit. */
  readonly answeredProviders: number;
}

export function keyLoad(providers: number): KeyLoad {
  const { recordsPerKey, recordsPerAnswer } = defaultStoreLimits;
  const kept = Math.min(providers, recordsPerKey);
  return {
    providers,
    sentRecords: providers,
    keptRecords: kept,
    announcementsPerSecond: (providers / recordTimes.renewalMs) * 1_000,
    answeredProviders: Math.min(kept, recordsPerAnswer),
  };
}

/** Cards that a client fetches for the first question of a run, and that each provider of the model serves an hour. */
export interface CardLoad {
  /** Of nodes that it merely met on its lookup, which need not have the model. */
  readonly ofOthers: number;
  readonly perQuestion: number;
  readonly servedPerHour: number;
}

/** @param nodes as many clients, each with `assumed.questionsPerHour` for this model's `providers` */
export function cardLoad(nodes: number, providers: number): CardLoad {
  const { fewMatches, maxPending } = searchLimits;
  const perQuestion = Math.min(providers, fewMatches + maxPending);
  return {
    ofOthers: maxVolunteers,
    perQuestion,
    servedPerHour: (nodes * assumed.questionsPerHour * perQuestion) / providers,
  };
}

/** What relays bear if `assumed.hiddenShare` of `providers` are reached through them alone. */
export interface RelayLoad {
  readonly relays: number;
  readonly circuitsPerRelay: number;
  /** Relays for each hundred providers. */
  readonly relaysPerHundred: number;
}

export function relayLoad(providers: number): RelayLoad {
  const { maxReservations, maxCircuits } = defaultRelayLimits;
  const hidden = providers * assumed.hiddenShare;
  const relays = Math.max(wantedRelays, Math.ceil((hidden * wantedRelays) / maxReservations));
  const circuits = hidden * assumed.clientsOfHidden;
  return {
    relays,
    circuitsPerRelay: Math.min(maxCircuits, circuits / relays),
    relaysPerHundred: (100 * relays) / providers,
  };
}
