import { shortId, sol, when } from '../labels.ts';
import { type ChannelPurpose, isChannelPurpose, type JobPurpose, type Purpose } from '../purpose.ts';
import type { WalletChannel } from '../wallet-api.ts';

/** What the dialog says about a transaction. */
export interface RequestText {
  readonly title: string;
  readonly line: string;
  readonly facts: readonly (readonly [string, string])[];
  readonly yes: string;
  readonly no: string;
}

/** Where the facts in the dialog come from. */
export function sourceOf(purpose: Purpose): string {
  const read = 'read in this browser from the transaction that your wallet signs.';
  switch (purpose.kind) {
    case 'job_create':
      return `Amount, payee, job and program were ${read}`;
    case 'channel_open':
      return `Deposit, payee, nodes, expiry, chain and program were ${read}`;
    case 'channel_top_up':
      return `Amount, channel and program were ${read} This browser opened that channel.`;
    default:
      return isChannelPurpose(purpose)
        ? `The action, channel and program were ${read}`
        : `The action, payee, job and program were ${read}`;
  }
}

/**
 * @param own whether the gateway's own wallet pays
 * @param channel as the gateway knows it now; null for another purpose, or one that is not open
 */
export function textOf(purpose: Purpose, own: boolean, channel: WalletChannel | null): RequestText {
  return isChannelPurpose(purpose) ? channelText(purpose, channel) : jobText(purpose, own);
}

function jobText(purpose: JobPurpose, own: boolean): RequestText {
  const job = ['Job', shortId(purpose.job)] as const;
  switch (purpose.kind) {
    case 'job_create':
      return {
        title: jobTitle(purpose.isScore, own),
        line: purpose.isScore
          ? 'This locks the highest price of a referee, which recomputes the answer. The unused part is refunded.'
          : `This locks the answer’s highest possible price${own ? ', from the gateway’s own wallet' : ''}. The ` +
            'unused part is refunded; without an answer, everything is.',
        facts: [
          ['Amount', `at most ${sol(BigInt(purpose.amount))}`],
          ['Paid to', purpose.payee],
          ['Provider node', purpose.provider],
          job,
        ],
        yes: own ? 'Pay' : 'Sign with the wallet',
        no: 'Do not pay',
      };
    case 'job_reject':
      return {
        title: 'A check failed: sign to reject',
        line:
          `Without your signature the provider is paid ${sol(BigInt(purpose.burnt))}. With it, that part is ` +
          'burnt, and you get the rest back.',
        facts: [
          ['Refunded to you', sol(BigInt(purpose.refunded))],
          ['Burnt', sol(BigInt(purpose.burnt))],
          ['Not paid to', purpose.payee],
          job,
        ],
        yes: 'Sign the rejection',
        no: 'Let the provider be paid',
      };
    case 'job_slash':
      return {
        title: 'The provider broke a rule: sign to get your money back',
        line:
          'The chain can check this fault itself. You get all of your money back, and the price of the answer ' +
          'from the provider’s stake. Without your signature the provider is paid.',
        facts: [['Refunded to you', sol(BigInt(purpose.refunded))], ['Taken from', purpose.payee], job],
        yes: 'Sign with the wallet',
        no: 'Let the provider be paid',
      };
    case 'job_refund':
      return {
        title: 'Get a refund',
        line: 'No answer was submitted in time. Everything that was locked is refunded.',
        facts: [['Refunded to you', sol(BigInt(purpose.refunded))], job],
        yes: 'Sign with the wallet',
        no: 'Not now',
      };
    case 'job_confirm':
      return {
        title: 'Settle now',
        line: 'The provider is paid the price of the answer, and the rest is refunded to you.',
        facts: [
          ['Paid', sol(BigInt(purpose.paid))],
          ['Paid to', purpose.payee],
          ['Refunded to you', sol(BigInt(purpose.refunded))],
          job,
        ],
        yes: 'Sign with the wallet',
        no: 'Not now',
      };
  }
}

function jobTitle(isScore: boolean, own: boolean): string {
  if (isScore) return own ? 'Pay a referee of this answer?' : 'Sign to pay a referee';
  return own ? 'Pay for this answer?' : 'Sign to pay';
}

const [sign, notNow] = ['Sign with the wallet', 'Not now'];

function channelText(purpose: ChannelPurpose, channel: WalletChannel | null): RequestText {
  const id = ['Channel', shortId('channel' in purpose ? purpose.channel : '')] as const;
  const withheld = channel === null ? 0n : BigInt(channel.committed) - BigInt(channel.released);
  const money: RequestText['facts'] =
    channel === null
      ? []
      : [
          ['Paid for answers', sol(BigInt(channel.released))],
          ['Not released', sol(withheld)],
          ['The rest, back to you', sol(BigInt(channel.deposit) - BigInt(channel.committed))],
        ];
  const who = ['Provider node', purpose.provider] as const;
  switch (purpose.kind) {
    case 'channel_open':
      return {
        title: 'Sign to open a channel',
        line:
          'One signature pays for many answers of this provider. The gateway’s node acknowledges each answer as it ' +
          'arrives, and can spend no more than the deposit. What is not spent comes back within 10 minutes of ' +
          'closing, or after 5 hours if the provider is gone.',
        facts: [
          ['Deposit', sol(BigInt(purpose.deposit))],
          ['Paid to', purpose.payee],
          who,
          ['Acknowledged by', purpose.client],
          ['Open until', `${when(purpose.expiresAt)}, unless you close it`],
          ['Rent, back with the rest', sol(BigInt(purpose.rent))],
          id,
        ],
        yes: sign,
        no: 'No channel',
      };
    case 'channel_top_up':
      return {
        title: 'Sign to add to the deposit',
        line: 'The next answer may cost more than is left in your channel. What is not spent comes back at its end.',
        facts: [['Added', sol(BigInt(purpose.amount))], ['Deposit then', sol(BigInt(purpose.deposit))], who, id],
        yes: sign,
        no: notNow,
      };
    case 'channel_request_close':
      return {
        title:
          channel?.isObjectionDue === true ? 'A check failed: sign to close the channel' : 'Sign to close the channel',
        line:
          channel?.isObjectionDue === true
            ? 'This closes the channel on the chain. A second signature then withholds the failed answer’s price.'
            : 'The provider does not close it with you, so the chain does. Your money comes back after 5 hours.',
        facts: [...money, who, id],
        yes: sign,
        no: notNow,
      };
    case 'channel_reject':
      return {
        title: 'A check failed: sign to reject',
        line:
          `Without your signature the provider is paid ${sol(withheld)} for an answer that failed. With it, that ` +
          'part is burnt, and you get the rest back when the channel ends.',
        facts: [...money, ['Not paid to', purpose.payee], id],
        yes: 'Sign the rejection',
        no: 'Let the provider be paid',
      };
    case 'channel_finish':
      return {
        title: 'Sign to get the rest back',
        line: 'The time for objections is over. The provider is paid, and the rest is refunded to you.',
        facts: [...money, ['Paid to', purpose.payee], id],
        yes: sign,
        no: notNow,
      };
    case 'evidence_create':
      return {
        title: 'The provider broke a rule: sign to show the chain',
        line:
          'The chain can check this fault itself. The first signature shows it the answer; the second gets your ' +
          'money back, with compensation from the provider’s stake.',
        facts: [
          ...money,
          ['Rent, back at the end', sol(BigInt(purpose.rent))],
          who,
          ['Answer', shortId(purpose.job)],
          id,
        ],
        yes: sign,
        no: 'Let the provider be paid',
      };
    case 'channel_slash':
      return {
        title: 'The provider broke a rule: sign to get your money back',
        line:
          'The provider keeps what was paid for earlier answers. Everything else comes back to you, with ' +
          'compensation from its stake. Without your signature the provider is paid.',
        facts: [...money, ['Taken from', purpose.payee], ['Answer', shortId(purpose.job)], id],
        yes: sign,
        no: 'Let the provider be paid',
      };
    case 'evidence_close':
      return {
        title: 'Sign to get the rent back',
        line: 'The channel has ended, and what was shown to the chain is not needed any more.',
        facts: [who, ['Answer', shortId(purpose.job)]],
        yes: sign,
        no: notNow,
      };
  }
}
