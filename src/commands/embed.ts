import { exitCodes, QvacError } from '../errors.ts';
import { anySignal } from '../lib/abort.ts';
import type { Answer } from '../node/client/answer.ts';
import type { Embeddings } from '../node/client/embed.ts';
import type { Output } from '../terminal/output.ts';
import { trustLines } from '../terminal/trust-line.ts';
import { observe, sayChannel, storeExitCode, verificationJson } from './parts/answer-report.ts';
import { chainSettings } from './parts/chain-settings.ts';
import { defineCommand, flag } from './parts/definition.ts';

export const command = defineCommand({
  description: [
    'Turn texts into vectors by a model that embeds, and check them. Each line of stdout is the vector of one text, a',
    'JSON array of numbers with length 1. Without an argument each line of standard input is a text.',
    'Before the texts leave, a line on stderr names the provider that will see them; the last line says whether the',
    'numbers were computed again: only who has the model file can do that.',
  ].join(' '),
  arguments: [{ name: '[text...]', description: 'a text each' }],
  settings: [
    ...(['model', 'provider', 'verify', 'maxPrice', 'pay', 'deposit', 'timeout', 'threads', 'gpu'] as const),
    ...(['modelsDir'] as const),
    ...chainSettings,
  ],
  options: {
    yes: flag('-y, --yes', 'pay what the vectors cost without asking'),
    truncate: flag('--truncate', 'cut a text where the context of the model ends'),
  },
  examples: [
    { line: 'qvac embed "a cat sat on the mat"', what: 'embed one text' },
    { line: 'qvac embed -m all-minilm-l6-v2 "one text" "another"', what: 'embed two by this model' },
    { line: 'qvac embed --json < texts.txt', what: 'embed each line of a file, and print one JSON object' },
  ],
  async action({ args, options, config, output, logger, signal }) {
    const texts = args.length > 0 ? args : await linesOfInput(output, signal);
    if (texts.length === 0)
      throw new QvacError('E_USAGE', 'no text given', { hint: 'qvac embed "a cat sat on the mat"' });
    const [{ openClient }, { clientConsent }] = await Promise.all([
      import('../sdk/client.ts'),
      import('./parts/consent.ts'),
    ]);
    const client = await openClient(
      { config, logger },
      {
        consent: clientConsent(output, { yes: options.yes }),
        keepsChannels: true,
        onChannel: (news) => sayChannel(output, news),
      },
    );
    const observer = observe(output);
    try {
      const embeddings = await client.embed({ texts, truncate: options.truncate }, observer, {
        signal: anySignal(signal, output.readerGone),
      });
      observer.end();
      return await report(output, embeddings, config.settings.verify === 'full');
    } finally {
      observer.end();
      await client.stop();
    }
  },
});

/** The lines of standard input that are not empty. */
async function linesOfInput(output: Output, signal: AbortSignal): Promise<readonly string[]> {
  const { readPipedInput } = await import('../terminal/input.ts');
  const piped = await readPipedInput({
    optional: false,
    signal,
    onSilence: () => {
      if (output.animated) output.say('waiting for the end of standard input');
    },
  });
  return (piped ?? '').split(/\r?\n/).filter((line) => line !== '');
}

/** Prints the vectors, and a trust line for each job. @returns the exit code */
async function report(output: Output, { vectors, promptTokens, jobs }: Embeddings, isFull: boolean): Promise<number> {
  const [{ normalised }, { shortFloat32 }, { settlementJson }] = await Promise.all([
    import('../proofs/embedding/distance.ts'),
    import('../lib/float32.ts'),
    import('../node/payment/outcome.ts'),
  ]);
  const embeddings = vectors?.map((vector) => Array.from(normalised(vector), shortFloat32)) ?? null;
  const [{ model }] = jobs;
  output.result(
    {
      embeddings,
      model,
      dimensions: embeddings?.[0]?.length ?? null,
      promptTokens,
      jobs: jobs.map(({ provider, tokens, verification, atFault, receipt, costLamports, payment }) => ({
        provider,
        texts: tokens,
        verification: verificationJson(verification),
        atFault,
        receipt,
        cost: costLamports,
        payment: payment === null ? null : settlementJson(payment),
      })),
      cost: jobs.reduce((sum, { costLamports }) => sum + costLamports, 0n),
    },
    embeddings?.map((numbers) => JSON.stringify(numbers)) ?? [],
  );
  for (const job of jobs) sayJob(output, job);
  const hasFailed = jobs.some(({ verification }) => verification.result === 'fail');
  if (hasFailed || (isFull && !jobs.every(isRecomputed))) return exitCodes.verification;
  return storeExitCode(jobs.find(({ storeError }) => storeError !== null)?.storeError ?? null);
}

function sayJob(output: Output, job: Answer): void {
  const { verification, timing, storeError, costLamports } = job;
  if (storeError !== null) output.warn(`cannot store the receipt: ${storeError.message}`);
  const facts = { ...job, unit: 'text', tokensPerSecond: timing.tokensPerSecond, cost: costLamports } as const;
  for (const line of trustLines(facts, (style, text) => output.style(style, text)))
    (verification.result === 'pass' ? output.say : output.warn)(line);
}

function isRecomputed({ verification: { result, tier } }: Answer): boolean {
  return result === 'pass' && (tier === 'exact' || tier === 'statistical');
}
