import type { Config } from '../../config.ts';
import { localDay } from '../../lib/clock.ts';
import { StopFilter } from '../../lib/stop-filter.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Answer, AskObserver } from '../../node/client/answer.ts';
import { ask } from '../../node/client/ask.ts';
import type { AskComponents, AskInit } from '../../node/client/ask-init.ts';
import type { ChatMessage } from '../../protocol/messages.ts';

/** Asks, and leaves out of the answer the stop text that ended it: its receipt keeps it. */
export async function askBeforeStops(
  components: AskComponents,
  init: AskInit,
  observer: AskObserver,
  options: AbortOptions,
): Promise<Answer> {
  const { stopTexts = [] } = init.extra ?? {};
  if (stopTexts.length === 0) return ask(components, init, observer, options);
  const filter = new StopFilter(stopTexts);
  const pieces: string[] = [];
  const tell = (piece: string): Promise<void> | void => {
    pieces.push(piece);
    return observer.text(piece);
  };
  const answer = await ask(components, init, { ...observer, text: (piece) => tell(filter.push(piece)) }, options);
  const rest = filter.end();
  if (rest !== '') await tell(rest);
  return { ...answer, text: pieces.join('') };
}

/** What the settings say of a question. */
export function settingsOf(
  { settings }: Config,
  messages: readonly ChatMessage[],
): Omit<AskInit, 'model' | 'router' | 'seed'> {
  const system = settings.system === null ? [] : [{ role: 'system', content: settings.system }];
  return {
    input: {
      messages: [...system, ...messages],
      template: 'gguf',
      options: {},
      tools: null,
      date: localDay(),
      continuation: [],
    },
    sampler: {
      temperature: Math.round(settings.temperature * 100),
      topK: settings.topK,
      minP: Math.round(settings.minP * 100),
      topP: Math.round(settings.topP * 100),
      maxTokens: settings.maxTokens,
    },
    verify: settings.verify,
    referees: settings.referees === 0 ? null : settings.referees,
    auditRate: settings.auditRate,
    provider: settings.provider,
    maxPrice: settings.maxPrice,
    timeoutMs: settings.timeout,
  };
}
