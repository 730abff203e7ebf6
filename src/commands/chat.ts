import { asQvacError, exitCodes } from '../errors.ts';
import { anySignal } from '../lib/abort.ts';
import type { ChatMessage } from '../protocol/messages.ts';
import type { LineReader } from '../terminal/prompt.ts';
import { observe, report } from './parts/answer-report.ts';
import { type Asking, askSettings, openAsking, parseSeed, payOption } from './parts/asking.ts';
import { type CommandContext, defineCommand, option } from './parts/definition.ts';

export const command = defineCommand({
  description:
    'Talks with a model, each answer checked like that of ask. Every turn sends the whole conversation anew, to a provider that is named before it leaves. Ctrl-C stops an answer, Ctrl-D ends the talk. Off-terminal every line of standard input is one turn. With --json one line per answer, shaped like that of ask --json.',
  settings: askSettings,
  options: { seed: option('--seed <n>', 'a number from 0 to 2^64 − 1 for every answer', parseSeed), yes: payOption },
  examples: [
    { line: 'qvac chat', what: 'talk with whoever is best' },
    { line: 'qvac chat -m smollm2-135m --system "answer in rhymes"', what: 'with a model of your choice' },
  ],
  async action(context) {
    const { createLineReader } = await import('../terminal/prompt.ts');
    const asking = await openAsking(context, { yes: context.options.yes, ask: false });
    let stopAnswer: (() => void) | null = null;
    let left = false;
    // On a terminal readline takes Ctrl-C: it ends the answer, or the talk where there is none.
    const reader = createLineReader(() => {
      if (stopAnswer !== null) return stopAnswer();
      left = true;
      reader.close();
    });
    const close = (): void => reader.close();
    context.signal.addEventListener('abort', close);
    try {
      const code = await talk(context, asking, reader, context.options.seed ?? null, (stop) => (stopAnswer = stop));
      return left ? exitCodes.interrupted : code;
    } finally {
      context.signal.removeEventListener('abort', close);
      reader.close();
      await asking.stop();
    }
  },
});

type OnAnswer = (stop: (() => void) | null) => void;

/** Turn by turn until the input ends. @returns the exit code of the worst answer */
async function talk(
  { config, output, signal }: Pick<CommandContext, 'config' | 'output' | 'signal'>,
  asking: Asking,
  reader: LineReader,
  seed: bigint | null,
  onAnswer: OnAnswer,
): Promise<number> {
  const messages: ChatMessage[] = [];
  let worst: number = exitCodes.ok;
  for (;;) {
    const line = await reader.next('> ');
    if (line === null || signal.aborted || output.readerGone.aborted) return worst;
    if (line.trim() === '') continue;
    const stop = new AbortController();
    onAnswer(() => stop.abort());
    const observer = observe(output);
    try {
      const answer = await asking.ask(
        [...messages, { role: 'user', content: line }],
        seed,
        observer,
        anySignal(stop.signal, signal, output.readerGone),
      );
      observer.end();
      worst = Math.max(worst, await report(output, answer, config.settings.verify === 'full'));
      messages.push({ role: 'user', content: line }, { role: 'assistant', content: answer.text });
    } catch (error) {
      observer.end();
      output.endAnswer();
      const { code, message, exitCode } = asQvacError(error);
      // One turn that failed does not end the talk; a bug does.
      if (code === 'E_BUG') throw error;
      if (!stop.signal.aborted) output.warn(`qvac: ${message}`);
      if (!stop.signal.aborted) worst = Math.max(worst, exitCode);
    } finally {
      onAnswer(null);
    }
  }
}
