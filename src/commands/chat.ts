import { asQvacError, exitCodes } from '../errors.ts';
import { anySignal } from '../lib/abort.ts';
import type { ChannelNews } from '../node/payment/channel/channels.ts';
import type { ChatMessage } from '../protocol/messages.ts';
import type { Client, ClientQuestion } from '../sdk/client.ts';
import type { LineReader } from '../terminal/prompt.ts';
import { observe, report, sayChannel } from './parts/answer-report.ts';
import { askOptions, askSettings } from './parts/ask-options.ts';
import { type CommandContext, defineCommand } from './parts/definition.ts';

export const command = defineCommand({
  description: [
    'Chat with a model. Every answer is checked like that of qvac ask.',
    'Each turn sends the whole conversation, to a provider that is named before it leaves.',
    'Ctrl-C stops an answer, Ctrl-D ends the chat.',
    'Off a terminal every line of standard input is one turn. With --json each answer is one line.',
  ].join(' '),
  settings: askSettings,
  options: askOptions,
  examples: [
    { line: 'qvac chat', what: 'chat with the best provider' },
    { line: 'qvac chat -m smollm2-135m --system "answer in rhymes"', what: 'chat with a model of your choice' },
  ],
  async action(context) {
    const { config, output, logger, options } = context;
    const [{ openClient }, { clientConsent }, { createLineReader }] = await Promise.all([
      import('../sdk/client.ts'),
      import('./parts/consent.ts'),
      import('../terminal/prompt.ts'),
    ]);
    const consent = clientConsent(output, { yes: options.yes, ask: false });
    const onChannel = (news: ChannelNews): void => sayChannel(output, news);
    const client = await openClient({ config, logger }, { consent, onChannel });
    let stopAnswer: (() => void) | null = null;
    let left = false;
    // On a terminal readline receives Ctrl-C: it stops the answer, or ends the chat between two answers.
    const reader = createLineReader(() => {
      if (stopAnswer !== null) return stopAnswer();
      left = true;
      reader.close();
    });
    const close = (): void => reader.close();
    context.signal.addEventListener('abort', close);
    try {
      const question = { seed: options.seed ?? null, stopTexts: options.stop };
      const code = await talk(context, client, reader, question, (stop) => (stopAnswer = stop));
      return left ? exitCodes.interrupted : code;
    } finally {
      context.signal.removeEventListener('abort', close);
      reader.close();
      await client.stop();
    }
  },
});

type OnAnswer = (stop: (() => void) | null) => void;

/** Takes turns until the input ends. @returns the exit code of the worst answer */
async function talk(
  { config, output, signal }: Pick<CommandContext, 'config' | 'output' | 'signal'>,
  client: Client,
  reader: LineReader,
  question: Omit<ClientQuestion, 'messages'>,
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
      const turns = [...messages, { role: 'user', content: line }];
      const answer = await client.ask({ ...question, messages: turns }, observer, {
        signal: anySignal(stop.signal, signal, output.readerGone),
      });
      observer.end();
      worst = Math.max(worst, await report(output, answer, config.settings.verify === 'full'));
      messages.push({ role: 'user', content: line }, { role: 'assistant', content: answer.text });
    } catch (error) {
      observer.end();
      output.endAnswer();
      const { code, message, exitCode } = asQvacError(error);
      // A failed turn does not end the chat; a bug does.
      if (code === 'E_BUG') throw error;
      if (!stop.signal.aborted) output.warn(`qvac: ${message}`);
      if (!stop.signal.aborted) worst = Math.max(worst, exitCode);
    } finally {
      onAnswer(null);
    }
  }
}
