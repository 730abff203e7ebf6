import { messageOf } from '../errors.ts';
import { aborted } from '../lib/abort.ts';
import type { ProviderEvent } from '../node/provider/events.ts';
import type { ChannelNews, PaymentNews } from '../node/provider/payment/payouts.ts';
import type { ProviderObserver, RunningProvider } from '../sdk/provider.ts';
import { plural, rate, shortId, shortPeer, sol, timeSpan } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { printable } from '../terminal/printable.ts';
import { chainSettings } from './parts/chain-settings.ts';
import { type CommandContext, defineCommand, flag } from './parts/definition.ts';
import { networkFlags, reachableAs } from './parts/hints.ts';
import { reachJson, sayReach } from './parts/reach-words.ts';

export const command = defineCommand({
  description: [
    'Offer one model to every client on the network.',
    'Each answer carries a signed commitment to every token step, which the client can challenge.',
    'It also scores answers of other providers as a referee, at the price of a prompt,',
    'in the pauses of its own answers.',
    'A self-test in the background finds out whether this machine computes the same bits as others of its kind,',
    'and then declares that in the card. With --json each event is one line.',
  ].join(' '),
  settings: [
    'model',
    'name',
    'listen',
    'announce',
    'reach',
    'priceIn',
    'priceOut',
    'priceJob',
    'free',
    ...chainSettings,
    'slots',
    'queue',
    'score',
    'keepPrompts',
    'threads',
    'batch',
    'context',
    'gpu',
    'keepAlive',
    'modelsDir',
  ],
  keepsLog: true,
  options: { yes: flag('-y, --yes', 'register and spend real money without asking') },
  examples: [
    { line: 'qvac serve --model smollm2-135m', what: 'offer a small model, and download it if needed' },
    {
      line: 'qvac serve --model ./my-model.gguf --name my-model',
      what: 'offer any GGUF file under your own name for it',
    },
    {
      line: 'qvac serve --model smollm2-135m --price-out 20000',
      what: 'charge 20,000 lamports per 1,000 answer tokens',
    },
    {
      line: 'qvac serve --model qwen3-4b --slots 4 --keep-alive 10m',
      what: 'run four jobs at a time, and unload an idle model',
    },
  ],
  async action({ options, config, output, logger, signal }) {
    const [{ openProvider }, { providerConsent }, { modelProgress }] = await Promise.all([
      import('../sdk/provider.ts'),
      import('./parts/consent.ts'),
      import('./parts/model-progress.ts'),
    ]);
    const provider = await openProvider(
      {
        config,
        logger,
        progress: modelProgress(output, { announceLoading: true }),
        consent: providerConsent(output, { yes: options.yes }),
        observer: observerOf(output),
      },
      { signal },
    );
    try {
      sayAbilities(output, provider);
      sayPrices(output, provider);
      sayReady(output, provider);
      sayReach(output, provider.peer);
      void testItself(provider, { output, logger, signal });
      await aborted(signal);
    } finally {
      await provider.stop();
    }
  },
});

function observerOf(output: Output): ProviderObserver {
  return {
    event: (event) => report(output, event),
    payment: (news) => reportPayment(output, news),
    channel: (news) => reportChannel(output, news),
    registered: ({ replaces, stakeLamports }) =>
      output.say(
        replaces ? 'registered in place of another node' : `registered, with a stake of ${sol(stakeLamports)}`,
      ),
    understaked: () => output.warn('the stake is below the minimum, so no client can pay: qvac provider stake 0.1sol'),
    payee: (wallet, chain) => output.say(`paid to ${wallet} on ${chain}`),
  };
}

/** Reports the result of the self-test. Never rejects. */
async function testItself(
  provider: RunningProvider,
  { output, logger, signal }: Pick<CommandContext, 'output' | 'logger' | 'signal'>,
): Promise<void> {
  try {
    const { exec, sameBits } = await provider.runSelfTest({ signal });
    const found = sameBits.includes('prefill')
      ? 'exact: machines of this class can check every bit, and cheaply'
      : sameBits.length > 0
        ? 'exact, token by token only'
        : 'not exact: answers are checked statistically';
    output.event({ event: 'self-test', exec, sameBits }, `· self-test: ${found}`);
  } catch (error) {
    if (!signal.aborted)
      logger.warn('the self-test failed; the card keeps its cautious class', { reason: messageOf(error) });
  }
}

/** Tells what the model's chat template cannot do. */
function sayAbilities(output: Output, { engine, abilities }: RunningProvider): void {
  const { name } = engine.facts;
  if (isEmbedder(engine)) return;
  if (!abilities.chat) {
    output.warn(printable(`${name} has no chat template that renders a conversation: it serves raw text only`));
    return;
  }
  if (abilities.system === 'first turn')
    output.say(printable(`${name} takes a system message in the first turn of the user: clients put it there`));
  if (abilities.system === 'nowhere')
    output.warn(printable(`${name} has no place for a system message: such questions are refused or lose it`));
  if (abilities.needsDate) output.say(printable(`${name} needs the date, which clients send`));
}

function isEmbedder({ facts: { dimensions = null } }: RunningProvider['engine']): boolean {
  return dimensions !== null;
}

/** Tells the prices, and the most that one client can cost the provider. */
function sayPrices(output: Output, { engine, prices: { priceJob, priceIn, priceOut } }: RunningProvider): void {
  if (priceJob === 0 && priceIn === 0 && priceOut === 0) return;
  const perTokens = isEmbedder(engine)
    ? `${sol(priceIn)} per 1,000 tokens of the texts`
    : `${sol(priceIn)} in and ${sol(priceOut)} out per 1,000 tokens`;
  const price = `${sol(priceJob)} an answer, ${perTokens}`;
  output.say(`price ${price} · a client that leaves costs you at most the work on its prompt and a fee`);
}

function sayReady(output: Output, { peer, engine, tokensPerSecond }: RunningProvider): void {
  const { facts, slots, device, exec } = engine;
  const { name, quant, id, context, dimensions = null } = facts;
  output.say(printable(`provider ${peer.id} · network ${peer.network}`));
  const speed = `${rate(tokensPerSecond)} tok/s on ${device.device}`;
  const ability = dimensions === null ? '' : `embeds, ${dimensions} numbers · `;
  output.say(printable(`${name} ${quant} · ${ability}${plural(slots.total, 'slot')} · context ${context} · ${speed}`));
  const [verb, example] = dimensions === null ? ['ask', 'why is the sky blue?'] : ['embed', 'a cat sat on the mat'];
  const ask = `qvac ${verb} ${networkFlags(peer.network)}--provider ${reachableAs(peer)} "${example}"`;
  output.event(
    {
      event: 'ready',
      peer: peer.id,
      addrs: peer.addrs(),
      reach: reachJson(peer.reach()),
      network: peer.network,
      model: { name, quant, id },
      exec,
      tokensPerSecond,
    },
    printable(`ready · ask it elsewhere with: ${ask}`, 400),
  );
}

/** How an answer ended if not by itself, by the finish of its head (protocol section 4.1). */
const endings: Readonly<Record<number, string>> = { 2: ', cancelled', 3: ', broken off' };

function report(output: Output, event: ProviderEvent): void {
  switch (event.event) {
    case 'job-accepted': {
      const [what, most] = event.mode === 'score' ? ['score', ''] : ['job', 'at most '];
      const amount =
        event.mode === 'embed' ? plural(event.maxTokens, 'text') : `${most}${plural(event.maxTokens, 'token')}`;
      const sizes = `${plural(event.promptTokens, 'prompt token')}, ${amount}`;
      return output.event(event, `· ${what} ${shortId(event.job)} for ${shortPeer(event.client)}: ${sizes}`);
    }
    case 'job-finished': {
      const cancelled = endings[event.finish] ?? '';
      const amount = event.vectors === null ? plural(event.tokens, 'token') : plural(event.vectors, 'vector');
      const done = `${amount} in ${timeSpan(event.ms)}${cancelled}`;
      return output.event(event, `· job ${shortId(event.job)}: ${done}`);
    }
    case 'job-failed':
      return output.event(event, printable(`· job ${shortId(event.job)} failed: ${event.reason}`));
    case 'job-opened':
      return output.event(event);
    case 'job-verdict': {
      const faults = event.faults.length === 0 ? '' : ` (${event.faults.join(', ')})`;
      return output.event(event, `· job ${shortId(event.job)}: the client says ${event.result}${faults}`);
    }
    case 'refused':
      return output.event(event, printable(`· refused ${shortPeer(event.client)}: ${event.reason}`));
  }
}

function reportPayment(output: Output, { job, state, lamports }: PaymentNews): void {
  const words: Readonly<Record<PaymentNews['state'], string>> = {
    submitted: `submitted, ${sol(lamports)} due`,
    paid: `paid ${sol(lamports)}`,
    declined: 'declined and refunded',
    refunded: 'refunded, not submitted in time',
    rejected: 'rejected by the client, not paid',
    slashed: 'slashed',
    gone: 'settled',
  };
  output.event(
    { event: 'payment', job, state, lamports: lamports.toString() },
    `· job ${shortId(job)}: ${words[state]}`,
  );
}

function reportChannel(output: Output, { channel, state, lamports }: ChannelNews): void {
  const paid = lamports === 0n ? '' : `, paid ${sol(lamports)}`;
  const words: Readonly<Record<ChannelNews['state'], string>> = {
    opened: 'open',
    settled: 'settled',
    closing: 'is being closed',
    closed: 'closed',
    finished: 'closed after the time for objections',
    slashed: 'slashed',
    gone: 'closed',
  };
  output.event(
    { event: 'channel', channel, state, lamports: lamports.toString() },
    `· channel ${shortId(channel)}: ${words[state]}${paid}`,
  );
}
