import type { FaultCode } from '../protocol/codes.ts';
import { faultWords } from '../protocol/fault-words.ts';

/** How far an answer was checked, as the gateway says it. */
export type Verified = 'exact' | 'statistical' | 'text' | 'sampling' | 'none' | 'inconclusive' | 'pending' | 'failed';

interface VerifiedWords {
  readonly mark: string;
  readonly tone: 'good' | 'fair' | 'bad' | 'open';
  /** In the line under an answer. */
  readonly short: string;
  readonly long: string;
}

/** The word *verified* stands only where the model was run again and agreed. */
export const verifiedWords: Readonly<Record<Verified, VerifiedWords>> = {
  exact: {
    mark: '✓',
    tone: 'good',
    short: 'verified exact',
    long: 'The model was run again, and every token came out the same, bit for bit.',
  },
  statistical: {
    mark: '✓',
    tone: 'good',
    short: 'verified statistical',
    long: 'The model was run again on another kind of machine, and the answer is as near to it as honest ones are.',
  },
  text: {
    mark: '✓',
    tone: 'fair',
    short: 'checked: text',
    long: 'Signatures, opened steps, draws, prompt and text fit together. The model itself was not run again.',
  },
  sampling: {
    mark: '✓',
    tone: 'fair',
    short: 'checked: sampling',
    long: 'Signatures, opened steps and draws fit together. The model is not here, so it was not run again.',
  },
  none: {
    mark: '–',
    tone: 'open',
    short: 'not checked',
    long: 'Nothing was opened, as asked. The provider signed the answer; that is all.',
  },
  inconclusive: {
    mark: '?',
    tone: 'open',
    short: 'inconclusive',
    long: 'There was not enough to compare. That says nothing for or against the provider.',
  },
  pending: { mark: '…', tone: 'open', short: 'being checked', long: 'The checks are still running.' },
  failed: { mark: '✗', tone: 'bad', short: 'failed a check', long: 'A check failed. Do not rely on this answer.' },
};

export function isVerified(value: unknown): value is Verified {
  return typeof value === 'string' && Object.hasOwn(verifiedWords, value);
}

/** Each check in plain words: what it asks. */
export const checkWords: Readonly<Record<string, { readonly title: string; readonly asks: string }>> = {
  signatures: {
    title: 'Signed and unchanged',
    asks: 'Is everything signed by who it should be, and is what arrived what was signed?',
  },
  opening: {
    title: 'Opened as challenged',
    asks: 'Did the provider open exactly the steps that your secret chose, and do they lead to the root it had signed before?',
  },
  sampling: {
    title: 'Drawn by your seed',
    asks: 'Is each opened token the one that your own seed draws from the committed candidates?',
  },
  length: {
    title: 'Honest length',
    asks: 'Does the answer end where it should: at a stop token, at the limit, or where it was stopped?',
  },
  prompt: {
    title: 'Your prompt, this text',
    asks: 'Was your own prompt run, unaltered, and does the text spell the committed tokens?',
  },
  execution: {
    title: 'Run again: exact',
    asks: 'Does the model, run again on the same kind of machine, give every token bit for bit?',
  },
  distribution: {
    title: 'Run again: near enough',
    asks: 'Are the committed probabilities as near to the recomputed ones as honest ones are?',
  },
  draws: {
    title: 'Run again: drawn alike',
    asks: 'Does your seed draw these tokens from the recomputed probabilities?',
  },
};

/** What a fault shows and what it does not. */
export function faultOf(code: string): { readonly shown: string; readonly notShown: string } | null {
  return Object.hasOwn(faultWords, code) ? faultWords[code as FaultCode] : null;
}

export function shortPeer(peer: string): string {
  return peer.length <= 12 ? peer : `${peer.slice(0, 7)}…${peer.slice(-3)}`;
}

export function shortId(hex: string): string {
  return hex.length <= 8 ? hex : `${hex.slice(0, 4)}…${hex.slice(-2)}`;
}

/** A name that a stranger chose, in a line of ours: without what turns the line around or hides, and not too long. */
export function safeName(name: string): string {
  const shown = name.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').trim();
  return shown.length <= 60 ? shown : `${shown.slice(0, 59)}…`;
}

export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/** Lamports as SOL, all digits that matter. */
export function sol(lamports: bigint | number): string {
  const digits = lamports.toString().padStart(10, '0');
  const fraction = digits.slice(-9).replace(/0+$/, '');
  return `${digits.slice(0, -9)}${fraction === '' ? '' : `.${fraction}`} SOL`;
}

/** Prices in lamports per 1,000 tokens, of the question and of the answer, as people compare them. */
export function price(priceIn: number, priceOut: number): string {
  return priceIn === 0 && priceOut === 0
    ? 'free'
    : `${sol(priceIn).replace(' SOL', '')} + ${sol(priceOut)} per 1k tokens`;
}

export function when(unixMs: number): string {
  return new Date(unixMs).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** What became of the money that was locked for an answer, in a line. */
export function moneyWords({
  payment,
}: {
  readonly payment: {
    readonly locked: string;
    readonly settlement: {
      readonly state: string;
      readonly paid: string;
      readonly burnt: string;
      readonly compensation: string;
    } | null;
  } | null;
}): string {
  if (payment === null) return 'nothing';
  const { settlement, locked } = payment;
  if (settlement === null || settlement.state === 'open') return `${sol(BigInt(locked))} is locked`;
  const paid = sol(BigInt(settlement.paid));
  switch (settlement.state) {
    case 'confirmed':
    case 'claimed':
      return paid;
    case 'submitted':
      return settlement.paid === '0' ? `${sol(BigInt(locked))} is locked` : `${paid}, due`;
    case 'rejected':
      return `nothing: rejected, ${sol(BigInt(settlement.burnt))} went to nobody`;
    case 'slashed':
      return `nothing: it all came back, and ${sol(BigInt(settlement.compensation))} from the provider’s stake`;
    default:
      return 'nothing: it all came back';
  }
}
