import { sol } from './labels.ts';

/** Why there is no complete answer, and what the person can do. */
export interface ErrorText {
  readonly words: string;
  readonly next: string;
  /** The view in which to do it. */
  readonly view: 'money' | 'peers' | 'settings' | null;
}

/** Codes of the page itself; the gateway never sends them. */
export type PageCode = 'STOPPED' | 'GONE' | 'LEFT';

const words: Readonly<Record<string, readonly [words: string, next: string, view?: ErrorText['view']]>> = {
  STOPPED: ['You stopped it before the first word.', 'You can ask again.'],
  GONE: ['The gateway does not respond.', 'Start qvac gateway again, then ask again; this page reconnects by itself.'],
  LEFT: [
    'The page was closed during this answer.',
    'The part that arrived is under Receipts. Ask again for a complete answer.',
  ],
  E_NO_PROVIDER: [
    'No provider can answer this now.',
    'Choose another model or provider above, or ask again later.',
    'peers',
  ],
  E_NO_MODEL: ['The provider does not offer this model any more.', 'Choose another model or provider above.', 'peers'],
  E_BUSY: ['Every provider of this model is busy.', 'Ask again in a moment, or choose another provider above.'],
  E_TOO_DEAR: [
    'Every provider of this model charges more than your limit.',
    'Raise your limit under Money, choose another model, or set a lower maximum length under Settings.',
    'money',
  ],
  E_LIMIT: [
    'Nothing was paid, so there is no answer.',
    'Ask again and approve the payment, connect a wallet under Money, or choose a free provider.',
    'money',
  ],
  E_FUNDS: [
    'The wallet’s balance is too low for this answer.',
    'Top it up, or set a lower maximum length under Settings.',
    'money',
  ],
  E_CHAIN: [
    'The chain does not respond.',
    'Nothing more was spent; Money shows what is locked. Ask again later, or choose a free provider.',
    'money',
  ],
  E_ESCROW: ['The payment was refused.', 'Nothing was paid. Ask again, or choose another provider above.', 'money'],
  E_TRUNCATED: ['The answer is incomplete: the provider disconnected.', 'Ask again; another provider may answer.'],
  E_TIMEOUT: ['The answer took too long.', 'Ask again, or choose a faster provider above.'],
  E_VERIFICATION_FAILED: [
    'The answer failed a check and was cut off.',
    'This counts against the provider. Ask again, and another one answers.',
    'peers',
  ],
  E_FAILED: ['The provider could not answer.', 'Ask again; another provider may answer.'],
  E_BAD_PEER: [
    'The provider broke the protocol.',
    'This counts against the provider. Ask again, and another one answers.',
    'peers',
  ],
  E_NETWORK: [
    'No provider of this model can be reached.',
    'Ask again in a moment, or choose another model or provider above.',
    'peers',
  ],
  E_NOT_SERVED: [
    'The router does not serve you.',
    'Its owner can allow you, or you can choose a provider above.',
    'peers',
  ],
  E_CONTEXT: [
    'The conversation is longer than this model’s context.',
    'Start a new chat, or choose a model with a longer context.',
  ],
  E_TOO_LARGE: ['The question is longer than the gateway accepts.', 'Shorten it, or start a new chat.'],
  E_TOKEN: [
    'This page has no valid token.',
    'Open the link that qvac gateway printed, or paste it above, then ask again.',
  ],
  E_RATE: ['Too many requests at once.', 'Wait a second, then ask again.'],
};

const refereesTooDear: ErrorText = {
  words: 'The answer and its referees may cost more than your limit together.',
  next: 'Raise your limit under Money, or turn referees off above the conversation.',
  view: 'money',
};

/** The text for an error; for a code without a text here, the gateway's message. */
export function errorTextOf(code: string, message: string): ErrorText {
  if (code === 'E_TOO_DEAR' && message.includes('with its referees')) return refereesTooDear;
  const [said, next, view = null] = words[code] ?? [
    sentence(withoutHint(message)),
    'Ask again. If the error persists, run qvac doctor on this machine.',
  ];
  return { words: code === 'E_TOO_DEAR' ? `${said}${priceIn(message)}` : said, next, view };
}

/** The gateway's message, shown below the page's text, without its hint. */
export function detailOf(code: string, message: string): string | null {
  return !Object.hasOwn(words, code) || message === '' || code in own ? null : sentence(withoutHint(message));
}

const own: Readonly<Record<PageCode, true>> = { STOPPED: true, GONE: true, LEFT: true };

/** The hint in brackets at the end is for people on the command line. */
function withoutHint(message: string): string {
  return message.replace(/ \([^()]*(?:\([^()]*\)[^()]*)*\)$/, '');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

function priceIn(message: string): string {
  const lamports = /up to (\d{1,18}) lamports/.exec(message)?.[1];
  return lamports === undefined ? '' : ` The answer may cost up to ${sol(BigInt(lamports))}.`;
}
