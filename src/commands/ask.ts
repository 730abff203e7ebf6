import { QvacError } from '../errors.ts';
import { anySignal } from '../lib/abort.ts';
import { grammarOptions, readGrammar } from './parts/answer-grammar.ts';
import { observe, report, sayChannel } from './parts/answer-report.ts';
import { askOptions, askSettings } from './parts/ask-options.ts';
import { defineCommand, flag } from './parts/definition.ts';

export const command = defineCommand({
  description: [
    'Ask one question and check the answer. Only the answer goes to stdout.',
    'Before the prompt leaves, a line on stderr names the provider or router that will see it;',
    'the last line says how far the answer was checked.',
    'Standard input, if any, is put before the prompt, unless --no-stdin is given.',
    'By default the question goes through your own router if it runs, else to the best provider.',
  ].join(' '),
  arguments: [{ name: '[prompt...]', description: 'the question' }],
  settings: askSettings,
  options: { ...askOptions, ...grammarOptions, stdin: flag('--no-stdin', 'do not read standard input') },
  examples: [
    { line: 'qvac ask "why is the sky blue?"', what: 'ask the best provider' },
    { line: 'git diff | qvac ask "write a commit message for this"', what: 'put a pipe before the prompt' },
    {
      line: 'qvac ask -m smollm2-135m --seed 7 --verify full "tell me a story"',
      what: 'get a reproducible answer, verified or exit code 6',
    },
    { line: 'qvac ask --json-schema person.json "who was Ada Lovelace?"', what: 'get JSON that fits a schema' },
    { line: 'qvac ask --provider 12D3KooW… "hello"', what: 'ask this provider only' },
  ],
  async action({ args, options, config, output, logger, signal }) {
    const { readPipedInput } = await import('../terminal/input.ts');
    const typed = args.join(' ');
    const piped = options.stdin
      ? await readPipedInput({
          optional: typed.trim() !== '',
          signal,
          onSilence: () => {
            if (output.animated) output.say('waiting for the end of standard input; --no-stdin does not read it');
          },
        })
      : null;
    const prompt = [piped?.replace(/\r?\n$/, '') ?? '', typed].filter((part) => part.trim() !== '').join('\n\n');
    if (prompt === '') throw new QvacError('E_USAGE', 'no prompt given', { hint: 'qvac ask "why is the sky blue?"' });
    const rules = await readGrammar(options);
    const [{ openClient }, { clientConsent }] = await Promise.all([
      import('../sdk/client.ts'),
      import('./parts/consent.ts'),
    ]);
    const client = await openClient(
      { config, logger },
      {
        consent: clientConsent(output, { yes: options.yes }),
        // What one question opens is for the next ones.
        keepsChannels: true,
        onChannel: (news) => sayChannel(output, news),
      },
    );
    const observer = observe(output);
    try {
      // A reader of stdout that is gone stops the answer like Ctrl-C: what was delivered is settled.
      const answer = await client.ask(
        { messages: [{ role: 'user', content: prompt }], seed: options.seed ?? null, stopTexts: options.stop, rules },
        observer,
        { signal: anySignal(signal, output.readerGone) },
      );
      observer.end();
      return await report(output, answer, config.settings.verify === 'full');
    } finally {
      observer.end();
      if (!output.json) output.endAnswer();
      await client.stop();
    }
  },
});
