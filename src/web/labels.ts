import { shortPeer, singleFact } from '../lib/names.ts';
import type { FaultCode } from '../protocol/codes.ts';
import { faultWords } from '../protocol/fault-words.ts';

/** How far an answer was verified, as `x-qvac-verified` says it. */
export type VerificationStatus =
  | 'exact'
  | 'statistical'
  | 'text'
  | 'sampling'
  | 'none'
  | 'inconclusive'
  | 'pending'
  | 'failed';

interface StatusLabels {
  readonly mark: string;
  readonly tone: 'good' | 'fair' | 'bad' | 'open';
  /** For the line under an answer. */
  readonly short: string;
  readonly long: string;
}

/** Only answers that were recomputed and agreed are called *verified*. */
export const statusLabels: Readonly<Record<VerificationStatus, StatusLabels>> = {
  exact: {
    mark: '✓',
    tone: 'good',
    short: 'verified exact',
    long: 'The model was recomputed, and every token matched bit for bit.',
  },
  statistical: {
    mark: '✓',
    tone: 'good',
    short: 'verified statistical',
    long: 'The model was recomputed on another kind of machine; the answer is as close to it as honest ones are.',
  },
  text: {
    mark: '✓',
    tone: 'fair',
    short: 'checked: text',
    long: 'Signatures, opened steps, draws, prompt and text are consistent. The model was not recomputed.',
  },
  sampling: {
    mark: '✓',
    tone: 'fair',
    short: 'checked: sampling',
    long:
      'Signatures, opened steps and draws are consistent. This machine does not have the model, so it was not ' +
      'recomputed.',
  },
  none: {
    mark: '–',
    tone: 'open',
    short: 'not checked',
    long: 'You asked for no checks. The provider signed the answer, nothing more.',
  },
  inconclusive: {
    mark: '?',
    tone: 'open',
    short: 'inconclusive',
    long: 'There was too little to compare. This says nothing for or against the provider.',
  },
  pending: { mark: '…', tone: 'open', short: 'being checked', long: 'Verification is still running.' },
  failed: { mark: '✗', tone: 'bad', short: 'failed a check', long: 'A check failed. Do not rely on this answer.' },
};

export function isStatus(value: unknown): value is VerificationStatus {
  return typeof value === 'string' && Object.hasOwn(statusLabels, value);
}

/** The question that each check answers, in plain words. */
export const checkLabels: Readonly<Record<string, { readonly title: string; readonly asks: string }>> = {
  signatures: {
    title: 'Signed and unchanged',
    asks: 'Is everything signed by the right key, and unchanged since?',
  },
  opening: {
    title: 'Opened as challenged',
    asks:
      'Did the provider open exactly the steps that your secret selected, and do they lead to the root that it ' +
      'signed?',
  },
  sampling: {
    title: 'Drawn by your seed',
    asks: 'Is each opened token the one that your seed draws from the committed candidates?',
  },
  length: {
    title: 'Honest length',
    asks: 'Does the answer end at a stop token, at its limit, or where you stopped it?',
  },
  prompt: {
    title: 'Your prompt, this text',
    asks: 'Was your prompt used unaltered, and do the committed tokens give this text?',
  },
  execution: {
    title: 'Recomputed: exact',
    asks: 'Does the model, recomputed on the same kind of machine, give every token bit for bit?',
  },
  distribution: {
    title: 'Recomputed: distributions',
    asks: 'Are the committed probabilities as close to the recomputed ones as in honest answers?',
  },
  draws: {
    title: 'Recomputed: draws',
    asks: 'Does your seed draw these tokens from the recomputed probabilities?',
  },
};

/** What a fault proves and what it does not. */
export function faultOf(code: string): { readonly shown: string; readonly notShown: string } | null {
  return Object.hasOwn(faultWords, code) ? faultWords[code as FaultCode] : null;
}

/** `12D3Koo…a, then 12D3Koo…b after 71`: who wrote an answer, the last provider apart. */
export function providersWords(
  earlier: readonly { readonly provider: string; readonly tokens: number }[],
  last: string,
): string {
  let after = 0;
  const words = [...earlier, { provider: last, tokens: 0 }].map(({ provider, tokens }) => {
    const word = after === 0 ? shortPeer(provider) : `then ${shortPeer(provider)} after ${after}`;
    after += tokens;
    return word;
  });
  return words.join(', ');
}

export function shortId(hex: string): string {
  return hex.length <= 8 ? hex : `${hex.slice(0, 4)}…${hex.slice(-2)}`;
}

/** A stranger's name for a line of text: shortened, one fact of it, without control or bidirectional characters. */
export function safeName(name: string): string {
  const shown = singleFact(name.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ''));
  return shown.length <= 60 ? shown : `${shown.slice(0, 59)}…`;
}

export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/** Lamports as SOL, without trailing zeros. */
export function sol(lamports: bigint | number): string {
  const digits = lamports.toString().padStart(10, '0');
  const fraction = digits.slice(-9).replace(/0+$/, '');
  return `${digits.slice(0, -9)}${fraction === '' ? '' : `.${fraction}`} SOL`;
}

/** Prices in lamports per 1,000 tokens of prompt and answer, for display. */
export function price(priceIn: number, priceOut: number): string {
  return priceIn === 0 && priceOut === 0
    ? 'free'
    : `${sol(priceIn).replace(' SOL', '')} + ${sol(priceOut)} per 1k tokens`;
}

export function when(unixMs: number): string {
  return new Date(unixMs).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** What happened to the money locked for an answer, in one line. */
export function costLabel({
  payment,
}: {
  readonly payment: {
    readonly by: 'job' | 'channel';
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
  const { settlement, locked, by } = payment;
  if (by === 'channel') return channelCost(settlement);
  if (settlement === null || settlement.state === 'open') return `${sol(BigInt(locked))} is locked`;
  const paid = sol(BigInt(settlement.paid));
  switch (settlement.state) {
    case 'confirmed':
    case 'claimed':
      return paid;
    case 'submitted':
      return settlement.paid === '0' ? `${sol(BigInt(locked))} is locked` : `${paid}, due`;
    case 'rejected':
      return `nothing: rejected, ${sol(BigInt(settlement.burnt))} were burnt`;
    case 'slashed':
      return `nothing: all refunded, with ${sol(BigInt(settlement.compensation))} from the provider’s stake`;
    default:
      return 'nothing: everything was refunded';
  }
}

/** In a channel nothing is locked for one answer. */
function channelCost(
  settlement: { readonly state: string; readonly paid: string; readonly burnt: string } | null,
): string {
  switch (settlement?.state) {
    case 'released':
      return `${sol(BigInt(settlement.paid))} from the channel`;
    case 'withheld':
    case 'challenged':
      return `nothing: ${sol(BigInt(settlement.burnt))} of the channel are withheld`;
    default:
      return 'from the channel, as far as it was acknowledged';
  }
}
