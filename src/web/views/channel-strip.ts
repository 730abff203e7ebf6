import { shortPeer } from '../../lib/names.ts';
import { h, replace } from '../dom.ts';
import { plural, sol } from '../labels.ts';
import { wallets } from '../wallet.ts';
import type { WalletChannel } from '../wallet-api.ts';

/** More channels than these are shown under Money only. */
const maxShown = 2;

/** The running total of the connected wallet's open channels, above the conversation. */
export function channelStrip(openMoney: () => void): HTMLElement {
  const element = h('div', { class: 'channel-strip', role: 'status', hidden: true });
  const fill = (): void => {
    const shown = (wallets.overview?.channels ?? []).filter(({ state }) => state === 'open').slice(0, maxShown);
    element.hidden = shown.length === 0;
    const lines = shown.map((channel) => h('span', {}, totalOf(channel)));
    const money = h('button', { type: 'button', class: 'link', id: 'strip-money', click: openMoney }, 'Details');
    replace(element, ...lines, money);
  };
  wallets.onChange(fill);
  fill();
  return element;
}

function totalOf({ provider, committed, deposit, answers }: WalletChannel): string {
  const spent = `${sol(BigInt(committed)).replace(' SOL', '')} of ${sol(BigInt(deposit))} spent`;
  return `Channel with ${shortPeer(provider)}: ${spent}${answers === null ? '' : `, ${plural(answers, 'answer')}`}`;
}
