import type { Activity, RelayStats } from '../node/home/activity.ts';
import { byteSize, plural, rate, shortPeer, sol, timeSpan } from '../terminal/format.ts';
import { printableName } from '../terminal/printable.ts';
import { defineCommand } from './parts/definition.ts';
import { reachWords } from './parts/reach-words.ts';
import type { ChannelStatus } from './status/channel-status.ts';
import type { GatewayStatus } from './status/gateway-status.ts';
import type { NodeStatus, Rank, Today } from './status/node-status.ts';

function modelLine({ models, price, tokensPerSecond }: Activity, rank: Rank | null): readonly string[] {
  if (models.length === 0) return [];
  const cost =
    price === null
      ? ''
      : price.in === 0 && price.out === 0
        ? ' · free'
        : ` · ${price.in}/${price.out} lamports per 1,000 tokens`;
  const place = rank === null ? '' : ` · price rank ${rank.place} of ${rank.of}`;
  const speed = tokensPerSecond === null ? '' : ` · ${rate(tokensPerSecond)} tok/s`;
  return [`  models    ${models.map(printableName).join(', ')}${cost}${place}${speed}`];
}

function runLine({ taken, finished, failed, tokens, busyMs }: Activity): string {
  const speed =
    busyMs > 0 && tokens > 0 ? `, ${plural(tokens, 'token')} at ${rate((tokens * 1_000) / busyMs)} tok/s` : '';
  return `  this run  ${plural(taken, 'question')} taken, ${finished} answered, ${failed} failed${speed}`;
}

function relayLine({ reservations, circuits, bytes, refused }: RelayStats): string {
  const now = `${plural(reservations, 'reservation')}, ${plural(circuits, 'circuit')}`;
  const refusals = Object.entries(refused).map(([why, count]) => `${count} ${why}`);
  const denied = refusals.length === 0 ? '' : `; refused ${refusals.join(', ')}`;
  return `  relay     ${now}; ${byteSize(bytes)} forwarded in this run${denied}`;
}

function todayLine({ answers, tokens, earned }: Today): string {
  return `  today     ${plural(answers, 'answer')}, ${plural(tokens, 'token')}, ${sol(earned)} earned`;
}

function linesOf(
  { role, peer, network, activity, today, rank, idle, startedAt }: NodeStatus,
  now: number,
): readonly string[] {
  const head = `${role} ${shortPeer(peer)} · network ${network} · up ${timeSpan(now - startedAt)}`;
  if (activity === null) return [head, '  no report yet'];
  const { slots, peers, reach, relay } = activity;
  return [
    `${head} · ${plural(peers, 'peer')}`,
    ...modelLine(activity, rank),
    ...(relay === null ? [] : [relayLine(relay)]),
    ...(slots === null ? [] : [`  slots     ${slots.used} of ${slots.total} in use, ${slots.waiting} waiting`]),
    `  reach     ${reachWords(reach, now)}`,
    ...(role === 'relay' ? [] : [runLine(activity)]),
    ...(today === null ? [] : [todayLine(today)]),
    ...idle.map((reason, at) => `${at === 0 ? '  idle      ' : '            '}${reason}`),
  ];
}

function gatewayLines({ url, network, startedAt, questions, today }: GatewayStatus, now: number): readonly string[] {
  const head = `gateway ${url} · network ${network} · up ${timeSpan(now - startedAt)}`;
  if (questions === null || today === null) return [head, '  no report yet'];
  const { waiting, answering, checking } = questions;
  const states = `${waiting} waiting, ${answering} answering, ${checking} checking`;
  const shares = Object.entries(today.verified).map(([verified, count]) => `${count} ${verified}`);
  const checked = shares.length === 0 ? '' : ` · checked: ${shares.join(', ')}`;
  return [
    head,
    `  now       ${plural(waiting + answering + checking, 'question')} under way: ${states}`,
    `  today     ${plural(today.answered, 'answer')}, ${today.failed} failed${checked}`,
  ];
}

function channelLines({ paying, serving }: ChannelStatus): readonly string[] {
  return [
    ...(paying.open === 0
      ? []
      : [`${plural(paying.open, 'channel')} to pay from, ${sol(paying.released)} paid in them`]),
    ...(serving.open === 0
      ? []
      : [`${plural(serving.open, 'channel')} to be paid from, ${sol(serving.released)} earned in them`]),
  ];
}

export const command = defineCommand({
  description: [
    'Show what the nodes of this home do: models, prices and their rank, slots and queue, speed, today’s earnings,',
    'and possible reasons why a node is idle: price, reachability, demand.',
    'The channels that are open, and what is paid and earned in them.',
    'For a gateway: its address, the questions under way, and how today’s answers were checked.',
  ].join(' '),
  examples: [
    { line: 'qvac status', what: 'show everything of this home that runs' },
    { line: 'qvac status --json', what: 'print it as JSON' },
  ],
  async action({ config, output, logger }) {
    const [
      { createRunFiles },
      { findHomeChain },
      { systemClock },
      { statusOf },
      { gatewayStatusOf },
      { channelStatusOf },
    ] = await Promise.all([
      import('../node/home/run-files.ts'),
      import('../escrow/home-chain.ts'),
      import('../lib/clock.ts'),
      import('./status/node-status.ts'),
      import('./status/gateway-status.ts'),
      import('./status/channel-status.ts'),
    ]);
    const now = systemClock.now();
    const nodes = await Promise.all(
      (await createRunFiles(config.home.run).list()).map((entry) => statusOf(config, entry, logger, now)),
    );
    const gateway = await gatewayStatusOf(config.home.run, now);
    const channels = await channelStatusOf(config, logger);
    const chain = await findHomeChain(config.home);
    const lines = [
      ...nodes.flatMap((node) => linesOf(node, now)),
      ...(gateway === null ? [] : gatewayLines(gateway, now)),
      ...channelLines(channels),
      ...(chain === null ? [] : [`chain ${chain.chain} · ${chain.rpcUrl}`]),
    ];
    const values = nodes.map(({ today, ...node }) => ({
      ...node,
      today: today === null ? null : { ...today, earned: today.earned.toString() },
    }));
    const sideOf = ({ open, released }: ChannelStatus['paying']) => ({ open, released: released.toString() });
    const { paying, serving } = channels;
    const channelValues = { paying: sideOf(paying), serving: sideOf(serving) };
    output.result({ nodes: values, gateway, channels: channelValues, chain }, lines);
    if (lines.length === 0)
      output.say('nothing of this home is running; start qvac serve, qvac route, qvac relay or qvac gateway');
  },
});
