import { sol } from './words.ts';

/** Why there is no whole answer, and what a person can do about it. */
export interface Trouble {
  readonly words: string;
  readonly next: string;
  /** Where that is done. */
  readonly view: 'money' | 'peers' | 'settings' | null;
}

/** Codes that are the page's own: nobody sent them. */
export type PageCode = 'STOPPED' | 'GONE' | 'LEFT';

const words: Readonly<Record<string, readonly [words: string, next: string, view?: Trouble['view']]>> = {
  STOPPED: ['You stopped it before the first word.', 'Ask again whenever you like.'],
  GONE: [
    'The gateway does not answer any more.',
    'Start qvac gateway again, then ask again; this page finds it by itself.',
  ],
  LEFT: [
    'The page was left while this was being answered.',
    'What the provider delivered is under Receipts. Ask again for a whole answer.',
  ],
  E_NO_PROVIDER: [
    'Nobody can answer this now.',
    'Choose another model or provider above, or ask again when somebody is there.',
    'peers',
  ],
  E_NO_MODEL: ['This model is not offered there any more.', 'Choose another model or provider above.', 'peers'],
  E_BUSY: ['All who could answer are busy.', 'Ask again in a moment, or choose another provider above.'],
  E_TOO_DEAR: [
    'Whoever could answer asks for more than you allow.',
    'Raise your limit under Money, choose another model, or a shorter longest answer under Settings.',
    'money',
  ],
  E_LIMIT: [
    'Nothing was paid, so nobody answered.',
    'Ask again and agree, connect a wallet under Money, or choose a free provider.',
    'money',
  ],
  E_FUNDS: [
    'The wallet holds too little for this answer.',
    'Put more into it, or choose a shorter longest answer under Settings.',
    'money',
  ],
  E_CHAIN: [
    'The chain does not answer.',
    'Nothing more was spent; Money shows where it is. Ask again later, or ask a free provider.',
    'money',
  ],
  E_ESCROW: ['The payment was refused.', 'Nothing was paid. Ask again, or choose another provider above.', 'money'],
  E_TRUNCATED: ['The answer broke off: the provider left in the middle.', 'Ask again; another provider may take it.'],
  E_TIMEOUT: ['It took too long.', 'Ask again, or choose a faster provider above.'],
  E_VERIFICATION_FAILED: [
    'The answer failed a check and was broken off.',
    'The provider is remembered for it; ask again, and another one is asked.',
    'peers',
  ],
  E_FAILED: ['The provider could not answer.', 'Ask again; another provider may take it.'],
  E_BAD_PEER: [
    'The other side broke the protocol.',
    'Ask again; it is remembered for it, and another one is asked.',
    'peers',
  ],
  E_NETWORK: [
    'Nobody who could answer can be reached.',
    'Ask again in a moment, or choose another model or provider above.',
    'peers',
  ],
  E_NOT_SERVED: [
    'The router does not answer for you.',
    'Its owner can allow it, or choose a provider above yourself.',
    'peers',
  ],
  E_CONTEXT: [
    'The conversation is longer than this model can take.',
    'Start a new chat, or choose a model with a longer context.',
  ],
  E_TOO_LARGE: ['The question is longer than the gateway takes.', 'Shorten it, or start a new chat.'],
  E_TOKEN: ['This page is not let in.', 'Open the link that qvac gateway printed, or paste it above, then ask again.'],
  E_RATE: ['Too many requests at once.', 'Wait a second, then ask again.'],
};

/** What is said of an error. Of a code that has no words here the gateway's own. */
export function troubleOf(code: string, message: string): Trouble {
  const [said, next, view = null] = words[code] ?? [
    sentence(withoutHint(message)),
    'Ask again; if it stays, qvac doctor says what is wrong on this machine.',
  ];
  return { words: code === 'E_TOO_DEAR' ? `${said}${priceIn(message)}` : said, next, view };
}

/** What the gateway said beside the page's words, without what is to be typed in a terminal. */
export function detailOf(code: string, message: string): string | null {
  return !Object.hasOwn(words, code) || message === '' || code in own ? null : sentence(withoutHint(message));
}

const own: Readonly<Record<PageCode, true>> = { STOPPED: true, GONE: true, LEFT: true };

/** A hint in brackets at the end is for who types commands. */
function withoutHint(message: string): string {
  return message.replace(/ \([^()]*(?:\([^()]*\)[^()]*)*\)$/, '');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

function priceIn(message: string): string {
  const lamports = /up to (\d{1,18}) lamports/.exec(message)?.[1];
  return lamports === undefined ? '' : ` It may cost up to ${sol(BigInt(lamports))}.`;
}
