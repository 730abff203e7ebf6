import { randomBytes } from 'node:crypto';
import { QvacError } from '../errors.ts';
import { delay } from '../lib/abort.ts';
import type { PeerIdString } from '../lib/types.ts';
import type { LivePeer } from '../node/discovery/discovery.ts';
import type { Query } from '../node/discovery/query.ts';
import type { Joined } from '../node/join.ts';
import type { ChainRecord } from '../node/payment/payments.ts';
import { dimensionsOf } from '../protocol/embedding.ts';
import type { CardModel } from '../protocol/messages.ts';
import type { RecordOf } from '../sdk/payment/records.ts';
import { byteSize, sol, table, timeSpan } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { printable, printableName } from '../terminal/printable.ts';
import { chainSettings } from './parts/chain-settings.ts';
import { anyText, defineCommand, flag, oneOf, option } from './parts/definition.ts';

/** The JSON of a peer (docs/json.md): most fields come from its card, `health` is measured here. */
function peerJson(live: LivePeer, recordOf: RecordOf) {
  const { peer, card, health } = live;
  const record = recordOf(live);
  return {
    peer,
    role: card.role,
    addrs: card.addrs,
    models: card.models.map(({ id, name, quant, context, can, modes, priceJob, priceIn, priceOut, slots }) => ({
      name,
      quant,
      id,
      context,
      can,
      modes,
      priceJob,
      priceIn,
      priceOut,
      slots,
    })),
    compute: card.compute,
    expiresAt: card.expiresAt,
    health,
    chain: card.pay?.chain ?? null,
    record: record === null ? null : recordJson(record),
  };
}

function recordJson({ stake, freeStake, earned, rejected, slashed, ageMs }: ChainRecord) {
  return {
    stake: stake.toString(),
    freeStake: freeStake.toString(),
    earned: earned.toString(),
    rejected: rejected.toString(),
    slashed,
    ageMs,
  };
}

function linesOf(peers: readonly LivePeer[], recordOf: RecordOf): readonly string[] {
  const paid = peers.some((live) => recordOf(live) !== null);
  const rows = peers.flatMap((live) => {
    const { peer, card, health } = live;
    const record = recordOf(live);
    const onChain = !paid ? [] : [record === null ? '-' : `${recordWords(record)}, stake ${sol(record.stake)}`];
    const { device, memory, tokensPerSecond } = card.compute;
    const machine = `${printableName(device)}${memory === 0 ? '' : `, ${byteSize(memory)}`}`;
    const rtt = health.rttMs === null ? '-' : `${Math.round(health.rttMs)} ms`;
    const models = card.models.length === 0 ? [null] : card.models;
    return models.map((model, at) => {
      const offered =
        model === null
          ? ['-', '-', '-']
          : [
              `${printableName(`${model.name} ${model.quant}`)}${dimensionsOf(model) === null ? '' : ', embeds'}`,
              model.priceJob === 0 && model.priceIn === 0 && model.priceOut === 0 ? 'free' : priceWords(model),
              card.role !== 'provider' ? '-' : String(model.slots),
            ];
      return at === 0
        ? [peer, card.role, ...offered, tokensPerSecond === 0 ? '-' : String(tokensPerSecond), rtt, ...onChain, machine]
        : ['', '', ...offered, '', '', ...onChain.map(() => ''), ''];
    });
  });
  return table(
    ['PEER', 'ROLE', 'MODEL', 'PRICE', 'SLOTS', 'TOK/S', 'RTT', ...(paid ? ['CHAIN RECORD'] : []), 'MACHINE'],
    rows,
  );
}

/** `10000+100/400`: lamports for the answer, and per 1,000 tokens of prompt and answer. */
function priceWords({ priceJob, priceIn, priceOut }: CardModel): string {
  return `${priceJob === 0 ? '' : `${priceJob}+`}${priceIn}/${priceOut}`;
}

/** `earned 0.02 SOL in 12 days, 0.001 SOL rejected, 1 slashed`. */
function recordWords({ earned, rejected, slashed, ageMs }: ChainRecord): string {
  return [
    `earned ${sol(earned)} in ${timeSpan(ageMs)}`,
    ...(rejected > 0n ? [`${sol(rejected)} rejected`] : []),
    ...(slashed > 0 ? [`${slashed} slashed`] : []),
  ].join(', ');
}

export const command = defineCommand({
  description: [
    'List the providers and routers that can be reached now: models, prices in lamports (for an answer + per 1,000',
    'tokens of prompt/answer), claimed speed, round-trip time, and what they earned on the chain.',
    'With --watch and --json each change is one line.',
  ].join(' '),
  settings: chainSettings,
  options: {
    model: option('-m, --model <name>', 'list only peers that offer this name, name/quant or hex id', anyText),
    role: option(
      '--role <role>',
      'list only this role: provider, router or relay',
      oneOf('provider', 'router', 'relay'),
    ),
    watch: flag('-w, --watch', 'keep running, and print every change'),
  },
  examples: [
    { line: 'qvac peers', what: 'list all peers' },
    { line: 'qvac peers --model qwen3-4b --json', what: 'print the peers with that model as JSON' },
    { line: 'qvac peers --watch', what: 'print peers as they come and go' },
  ],
  async action({ config, options, output, logger, signal }) {
    const [{ join }, { identityFromSeed }, { systemClock }, { readRecords }] = await Promise.all([
      import('../node/join.ts'),
      import('../node/home/identity.ts'),
      import('../lib/clock.ts'),
      import('../sdk/payment/records.ts'),
    ]);
    const query = { model: options.model, role: options.role };
    // A throw-away identity: with the home's key this would cut off an `ask` that is running.
    const joined = await join(
      { config, clock: systemClock, logger },
      { role: 'client', key: await identityFromSeed(randomBytes(32)) },
    );
    try {
      if (options.watch) {
        await watch(joined, query, output, signal);
        return;
      }
      const peers = await findAll(joined, query, config.settings.bootstrap.length > 0, signal);
      const recordOf = await readRecords({ config, logger }, peers, { signal });
      output.result(
        { network: config.networkName, peers: peers.map((live) => peerJson(live, recordOf)) },
        peers.length === 0 ? [] : linesOf(peers, recordOf),
      );
      if (peers.length > 0) return;
      const wanted = options.model === undefined ? (options.role ?? 'peer') : `offer of ${options.model}`;
      output.say(printable(`no ${wanted} found on network "${config.networkName}"; qvac serve offers a model`));
    } finally {
      await joined.stop();
    }
  },
});

/** All reachable peers that fit. Finding none is an error only if a named address cannot be reached. */
async function findAll(
  { discovery }: Joined,
  query: Query,
  named: boolean,
  signal: AbortSignal,
): Promise<readonly LivePeer[]> {
  try {
    const found = await discovery.find(query, { signal, enough: () => false });
    return [...found].sort((a, b) => a.card.role.localeCompare(b.card.role) || (a.peer < b.peer ? -1 : 1));
  } catch (error) {
    if (error instanceof QvacError && (error.code === 'E_NO_PROVIDER' || (error.code === 'E_NETWORK' && !named)))
      return [];
    throw error;
  }
}

async function watch({ peer, discovery }: Joined, query: Query, output: Output, signal: AbortSignal): Promise<void> {
  const { fits } = await import('../node/discovery/query.ts');
  const shown = new Set<PeerIdString>();
  const report = (event: 'up' | 'card', mark: string) => (live: LivePeer) => {
    if (!fits(live, query)) return;
    shown.add(live.peer);
    const models = live.card.models.map(({ name, quant }) => printableName(`${name} ${quant}`)).join(', ');
    output.event(
      { event, ...peerJson(live, () => null) },
      printable(`${mark} ${live.peer} ${live.card.role} ${models}`),
    );
  };
  discovery.events.on('peer:up', report('up', '+')).on('peer:card', report('card', '~'));
  discovery.events.on('peer:down', (gone) => {
    if (shown.delete(gone)) output.event({ event: 'down', peer: gone }, `- ${gone}`);
  });
  output.say(`network ${peer.network}; Ctrl-C ends`);
  for (const live of discovery.live()) report('up', '+')(live);
  // The events above report every peer that a search finds.
  while (!signal.aborted) {
    await discovery.find(query, { signal, enough: () => false }).catch(() => undefined);
    await delay(sweepMs, signal).catch(() => undefined);
  }
}

/** Interval between two searches while watching, in ms. */
const sweepMs = 15_000;
