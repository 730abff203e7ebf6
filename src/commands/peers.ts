import { randomBytes } from 'node:crypto';
import { QvacError } from '../errors.ts';
import { delay } from '../lib/abort.ts';
import type { PeerIdString } from '../lib/types.ts';
import type { LivePeer } from '../node/discovery/discovery.ts';
import type { Query } from '../node/discovery/query.ts';
import type { Joined } from '../node/join.ts';
import { byteSize, sol, table } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { printable } from '../terminal/printable.ts';
import { type RecordOf, readRecords, recordWords } from './parts/chain-records.ts';
import { anyText, defineCommand, flag, oneOf, option } from './parts/definition.ts';
import { chainSettings } from './parts/paying.ts';

/**
 * A peer as `--json` shows it. Ids and prices are the card's; health is what this node measured; amounts are lamports
 * as text.
 */
function peerJson(live: LivePeer, recordOf: RecordOf) {
  const { peer, card, health } = live;
  const record = recordOf(live);
  return {
    peer,
    role: card.role,
    addrs: card.addrs,
    models: card.models.map(({ id, name, quant, context, modes, priceIn, priceOut, slots }) => ({
      name,
      quant,
      id,
      context,
      modes,
      priceIn,
      priceOut,
      slots,
    })),
    compute: card.compute,
    expiresAt: card.expiresAt,
    health,
    chain: card.pay?.chain ?? null,
    record:
      record === null ? null : { ...record, stake: record.stake.toString(), freeStake: record.freeStake.toString() },
  };
}

function linesOf(peers: readonly LivePeer[], recordOf: RecordOf): readonly string[] {
  const paid = peers.some((live) => recordOf(live) !== null);
  const rows = peers.flatMap((live) => {
    const { peer, card, health } = live;
    const record = recordOf(live);
    const onChain = !paid ? [] : [record === null ? '-' : `${recordWords(record)}, stake ${sol(record.stake)}`];
    const { device, memory, tokensPerSecond } = card.compute;
    const machine = memory === 0 ? device : `${device}, ${byteSize(memory)}`;
    const rtt = health.rttMs === null ? '-' : `${Math.round(health.rttMs)} ms`;
    const models = card.models.length === 0 ? [null] : card.models;
    return models.map((model, at) => {
      const offered =
        model === null
          ? ['-', '-', '-']
          : [
              `${model.name} ${model.quant}`,
              model.priceIn === 0 && model.priceOut === 0 ? 'free' : `${model.priceIn}/${model.priceOut}`,
              card.role === 'router' ? '-' : String(model.slots),
            ];
      return at === 0
        ? [peer, card.role, ...offered, tokensPerSecond === 0 ? '-' : String(tokensPerSecond), rtt, ...onChain, machine]
        : ['', '', ...offered, '', '', ...onChain.map(() => ''), ''];
    });
  });
  return table(
    ['PEER', 'ROLE', 'MODEL', 'PRICE', 'SLOTS', 'TOK/S', 'RTT', ...(paid ? ['ON THE CHAIN'] : []), 'MACHINE'],
    rows,
  );
}

export const command = defineCommand({
  description:
    'Lists the providers and routers that can be reached now: what they offer, at what price (lamports per 1,000 prompt/answer tokens), how fast they say they are, how they answer, and how their paid jobs ended. With --json: {network, peers: [{peer, role, addrs, models, compute, expiresAt, health, chain, record}]}; with --watch also JSON lines {"event": "up"|"card"|"down", …}.',
  settings: chainSettings,
  options: {
    model: option('-m, --model <name>', 'only who offers this name, name/quant or hex id', anyText),
    role: option('--role <role>', 'provider or router only', oneOf('provider', 'router')),
    watch: flag('-w, --watch', 'stay, and tell who comes and goes'),
  },
  examples: [
    { line: 'qvac peers', what: 'everyone' },
    { line: 'qvac peers --model qwen3-4b --json', what: 'who has that model, for programs' },
    { line: 'qvac peers --watch', what: 'stay, and tell who comes and goes' },
  ],
  async action({ config, options, output, logger, signal }) {
    const [{ join }, { identityFromSeed }, { systemClock }] = await Promise.all([
      import('../node/join.ts'),
      import('../node/home/identity.ts'),
      import('../lib/clock.ts'),
    ]);
    const query = { model: options.model, role: options.role };
    // Looking around needs no name, and must not cut off an `ask` that runs under this home's.
    const joined = await join(
      { config, clock: systemClock, logger },
      { role: 'client', key: await identityFromSeed(randomBytes(32)) },
    );
    try {
      if (options.watch) {
        await watch(joined, query, output, signal);
        return;
      }
      const peers = await everyone(joined, query, config.settings.bootstrap.length > 0, signal);
      const recordOf = await readRecords(config, peers, logger, { signal });
      output.result(
        { network: config.networkName, peers: peers.map((live) => peerJson(live, recordOf)) },
        peers.length === 0 ? [] : linesOf(peers, recordOf),
      );
      if (peers.length > 0) return;
      const nobody =
        options.model !== undefined
          ? `nobody offers ${options.model}`
          : options.role !== undefined
            ? `no ${options.role} is there`
            : 'nobody is there';
      output.say(printable(`${nobody} on network "${config.networkName}"; qvac serve offers a model`));
    } finally {
      await joined.stop();
    }
  },
});

/** Whoever can be reached now; nobody is an answer, too, unless an address was named that cannot be reached. */
async function everyone(
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
  const tell = (event: 'up' | 'card', mark: string) => (live: LivePeer) => {
    if (!fits(live, query)) return;
    shown.add(live.peer);
    output.event(
      { event, ...peerJson(live, () => null) },
      printable(
        `${mark} ${live.peer} ${live.card.role} ${live.card.models.map(({ name, quant }) => `${name} ${quant}`).join(', ')}`,
      ),
    );
  };
  discovery.events.on('peer:up', tell('up', '+')).on('peer:card', tell('card', '~'));
  discovery.events.on('peer:down', (gone) => {
    if (shown.delete(gone)) output.event({ event: 'down', peer: gone }, `- ${gone}`);
  });
  output.say(`network ${peer.network}; Ctrl-C ends`);
  for (const live of discovery.live()) tell('up', '+')(live);
  // Whoever is looked for becomes live, and is told by the events above.
  while (!signal.aborted) {
    await discovery.find(query, { signal, enough: () => false }).catch(() => undefined);
    await delay(sweepMs, signal).catch(() => undefined);
  }
}

/** How often the hash table is asked anew while watching, in ms. */
const sweepMs = 15_000;
