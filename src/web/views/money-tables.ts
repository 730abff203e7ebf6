import { shortPeer } from '../../lib/names.ts';
import { dataTable, h } from '../dom.ts';
import { plural, shortId, sol, when } from '../labels.ts';
import type { EndedChannel, JobAction, WalletChannel, WalletJob, WalletOverview } from '../wallet-api.ts';
import { openReceipt } from './receipt-view.ts';

interface Acting {
  /** Whether an action on that job or channel is in progress. */
  acting(subject: string): boolean;
}

/** Money that is locked for single answers. */
export function jobsTable(
  { jobs, channels, now }: WalletOverview,
  name: string,
  { act, acting }: Acting & { act(job: string, action: JobAction): void },
): HTMLElement | null {
  if (jobs.length === 0)
    return channels.length === 0 ? h('p', {}, 'Nothing is locked: every answer is settled.') : null;
  const rows = jobs.map((job) => {
    const { words, actions } = nextOfJob(job, now);
    const buttons = actions.map(([action, text]) =>
      h(
        'button',
        {
          type: 'button',
          id: `${action}-${job.job.slice(0, 12)}`,
          disabled: acting(job.job),
          click: () => act(job.job, action),
        },
        text,
      ),
    );
    const id = h(
      'button',
      {
        type: 'button',
        class: 'link',
        id: `receipt-${job.job.slice(0, 12)}`,
        'aria-haspopup': 'dialog',
        'aria-label': `Receipt ${shortId(job.job)}`,
        click: () => void openReceipt(job.job),
      },
      shortId(job.job),
    );
    const next = h('div', {}, words, buttons.length === 0 ? null : h('div', { class: 'row' }, ...buttons));
    return {
      heading: id,
      cells: [sol(BigInt(job.amount)), shortPeer(job.provider), when(job.createdAt), [next, 'wrap']] as const,
    };
  });
  return dataTable(name, ['Job', 'Locked', 'For', 'Since', 'What happens next'], rows);
}

/** Deposits from which many answers are paid. */
export function channelsTable(
  { channels, now }: WalletOverview,
  name: string,
  { close, acting }: Acting & { close(channel: string): void },
): HTMLElement | null {
  if (channels.length === 0) return null;
  const rows = channels.map((channel) => {
    const { words, action } = nextOfChannel(channel, now);
    const button =
      action === null
        ? null
        : h(
            'button',
            {
              type: 'button',
              id: `close-${channel.channel.slice(0, 12)}`,
              disabled: acting(channel.channel),
              click: () => close(channel.channel),
            },
            action,
          );
    const next = h('div', {}, words, button === null ? null : h('div', { class: 'row' }, button));
    const heading = h('span', { title: channel.provider }, shortPeer(channel.provider));
    return {
      heading,
      cells: [
        sol(BigInt(channel.deposit)),
        [spentOf(channel), 'wrap'],
        sol(BigInt(channel.released)),
        [next, 'wrap'],
      ] as const,
    };
  });
  return dataTable(name, ['Channel with', 'Deposit', 'Spent', 'Released', 'What happens next'], rows);
}

/** What is committed, and for what. */
function spentOf({ committed, released, underWay, answers }: WalletChannel): string {
  const held = BigInt(committed) - BigInt(released);
  return [
    sol(BigInt(committed)),
    ...(answers === null ? [] : [`${plural(answers, 'answer')} passed`]),
    ...(held === 0n ? [] : [`${sol(held)} not released`]),
    ...(underWay === '0' ? [] : [`up to ${sol(BigInt(underWay))} under way`]),
  ].join(', ');
}

/** What happens to a channel next, when, and the button for it. */
function nextOfChannel(
  { state, at, deposit, committed, underWay, isObjectionDue }: WalletChannel,
  now: number,
): { readonly words: string; readonly action: string | null } {
  const left = sol(BigInt(deposit) - BigInt(committed));
  const moment = at === null ? '' : when(at);
  switch (state) {
    case 'open':
      return {
        words: `${left} left for further answers. It closes by itself before ${moment}; then the rest comes back.`,
        action: underWay === '0' ? 'Close' : null,
      };
    case 'closing':
      return isObjectionDue
        ? { words: `An answer failed. You can object ${span(at, now)}.`, action: null }
        : { words: `It is being closed with the provider: ${left} back ${span(at, now)} at most.`, action: null };
    case 'alone':
      return isObjectionDue
        ? {
            words: 'An answer failed. Unless you object, its provider is paid for it in the end.',
            action: 'Close and object',
          }
        : {
            words: `The provider does not close it. The chain can: ${left} back after 5 hours.`,
            action: 'Close without the provider',
          };
    case 'requested':
      return isObjectionDue
        ? { words: `An answer failed. Unless you reject it, its provider is paid for it ${moment}.`, action: 'Reject' }
        : { words: `The chain closes it: ${left} back from ${moment} on.`, action: null };
    case 'due':
      return { words: `It can end now: ${left} back.`, action: 'Get the rest back' };
    case 'rent':
      return { words: 'It has ended. The rent of what was shown to the chain can come back.', action: 'Get it back' };
    case 'commands':
      return { words: `Programs pay from it. qvac channels shows and closes it; it ends by ${moment}.`, action: null };
    case 'elsewhere':
      return { words: `It was opened through another gateway. It can be closed from ${moment} on.`, action: null };
  }
}

function span(at: number | null, now: number): string {
  const seconds = Math.max(1, Math.ceil(((at ?? now) - now) / 1_000));
  return seconds > 120 ? `in ${Math.ceil(seconds / 60)} minutes` : `in ${seconds} s`;
}

/** The bills of channels that have ended since the gateway started. */
export function endedList({ ended }: Pick<WalletOverview, 'ended'>): HTMLElement | null {
  if (ended.length === 0) return null;
  return h(
    'div',
    {},
    h('h3', {}, 'Ended channels'),
    h('ul', { class: 'ended' }, ...ended.map((each) => h('li', {}, billOf(each)))),
  );
}

function billOf({ provider, state, answers, paid, refunded, burnt, compensation, fees }: EndedChannel): string {
  return [
    `With ${shortPeer(provider)}, ${state}: ${plural(answers, 'answer')}`,
    `${sol(BigInt(paid))} paid`,
    `${sol(BigInt(refunded))} back`,
    ...(burnt === '0' ? [] : [`${sol(BigInt(burnt))} burnt`]),
    ...(compensation === '0' ? [] : [`${sol(BigInt(compensation))} of the provider’s stake to you`]),
    `${sol(BigInt(fees))} fees`,
  ].join(', ');
}

/** What happens to a job's money next, when, and what the person can do. */
function nextOfJob(
  { refundAt, submitted, failed }: WalletJob,
  now: number,
): { readonly words: string; readonly actions: readonly (readonly [JobAction, string])[] } {
  const span = (until: number): string => `in ${Math.ceil((until - now) / 1_000)} s`;
  if (submitted === null) {
    if (now >= refundAt)
      return {
        words: 'No answer was submitted in time: you can have all of it back.',
        actions: [['refund', 'Refund']],
      };
    return { words: `No answer has been submitted yet. You can get a refund ${span(refundAt)}.`, actions: [] };
  }
  const payout = sol(BigInt(submitted.payout));
  if (now >= submitted.releaseAt)
    return {
      words: `The provider is due ${payout}; the rest is refunded to you.`,
      actions: [['confirm', 'Settle now']],
    };
  if (failed)
    return {
      words: `A check failed. Unless you reject it, the provider is paid ${payout} ${span(submitted.releaseAt)}.`,
      actions: [['reject', 'Reject']],
    };
  return {
    words: `The provider is paid ${payout} ${span(submitted.releaseAt)}; the rest is refunded.`,
    actions: [['confirm', 'Settle now']],
  };
}
