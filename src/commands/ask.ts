import { QvacError } from '../errors.ts';
import { anySignal } from '../lib/abort.ts';
import { observe, report } from './parts/answer-report.ts';
import { askSettings, openAsking, parseSeed, payOption } from './parts/asking.ts';
import { defineCommand, option } from './parts/definition.ts';

export const command = defineCommand({
  description:
    'Asks one question and checks the answer. The answer alone goes to stdout. Before the prompt leaves, one line on stderr names the one provider or router that will see it; the last line says what is known of the answer. Standard input, if any, is put before the prompt. With nothing configured it goes through your own router where one runs, else to the best provider that is there. With --json: {answer, finish, tokens, provider, router, model, verification, receipt, timing, cost}, for a paid answer also payment, its amounts as text in lamports, and tooLate: the money went to the provider because the check came too late to hold it back.',
  arguments: [{ name: '[prompt...]', description: 'the question' }],
  settings: askSettings,
  options: {
    seed: option(
      '--seed <n>',
      'a number from 0 to 2^64 − 1: the same question to the same model in the same class gives the same answer again',
      parseSeed,
    ),
    yes: payOption,
  },
  examples: [
    { line: 'qvac ask "why is the sky blue?"', what: 'ask whoever is best' },
    { line: 'git diff | qvac ask "write a commit message for this"', what: 'put a file or a pipe before the prompt' },
    {
      line: 'qvac ask -m smollm2-135m --seed 7 --verify full "tell me a story"',
      what: 'an answer that can be had again, verified or exit 6',
    },
    { line: 'qvac ask --provider 12D3KooW… "hello"', what: 'ask this one and nobody else' },
  ],
  async action({ args, options, config, output, logger, signal }) {
    const { readPipedInput } = await import('../terminal/input.ts');
    const typed = args.join(' ');
    const piped = await readPipedInput({ optional: typed.trim() !== '', signal });
    const prompt = [piped?.replace(/\r?\n$/, '') ?? '', typed].filter((part) => part.trim() !== '').join('\n\n');
    if (prompt === '')
      throw new QvacError('E_USAGE', 'there is nothing to ask', { hint: 'qvac ask "why is the sky blue?"' });
    const asking = await openAsking({ config, output, logger }, { yes: options.yes, ask: true });
    const observer = observe(output);
    try {
      // Where nobody reads the answer any more, it is stopped and settled like at Ctrl-C.
      const stop = anySignal(signal, output.readerGone);
      const answer = await asking.ask([{ role: 'user', content: prompt }], options.seed ?? null, observer, stop);
      observer.end();
      return await report(output, answer, config.settings.verify === 'full');
    } finally {
      observer.end();
      if (!output.json) output.endAnswer();
      await asking.stop();
    }
  },
});
