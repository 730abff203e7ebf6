import { QvacError } from '../../errors.ts';
import type { ChannelAccount } from '../../escrow/accounts.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import type { Logger } from '../../lib/log.ts';
import type { ChannelId } from '../../lib/types.ts';
import { dateTime, plural, sol } from '../../terminal/format.ts';
import type { CommandContext } from '../parts/definition.ts';

export type LedgerContext = Pick<CommandContext, 'config' | 'logger' | 'signal'>;

/** A channel of this home's wallet that has not ended. Amounts are lamports. */
export interface LedgerEntry {
  readonly id: ChannelId;
  /** `paid`: this wallet deposited; `served`: it is paid. */
  readonly side: 'paid' | 'served';
  /** The role of this home that holds its totals; null: another home does. */
  readonly role: 'client' | 'router' | 'provider' | null;
  readonly account: ChannelAccount;
  /** The largest totals that this home or the chain knows. */
  readonly committed: bigint;
  readonly released: bigint;
  /** Answers that passed; null: not known here. */
  readonly answers: number | null;
  /** Both sides have agreed to close it. */
  readonly isEnding: boolean;
}

export interface ChannelLedger {
  readonly escrow: Escrow;
  readonly now: number;
  readonly entries: readonly LedgerEntry[];
}

interface Kept {
  readonly role: 'client' | 'router' | 'provider';
  readonly committed: bigint;
  readonly released: bigint;
  readonly answers: number | null;
  readonly isEnding: boolean;
}

/** Reads the chain and this home, and sends nothing. */
export async function openChannelLedger({ config, logger, signal }: LedgerContext): Promise<ChannelLedger> {
  const [{ needWallet, openEscrowOf }, { channelIdHex }] = await Promise.all([
    import('../../sdk/payment/escrow.ts'),
    import('../../protocol/digests.ts'),
  ]);
  const wallet = await needWallet(config);
  const escrow = await openEscrowOf(config, wallet, { signal });
  const { publicKey } = wallet;
  const [paid, served, now, kept] = await Promise.all([
    escrow.channels({ payer: publicKey }, { signal }),
    escrow.channels({ provider: publicKey }, { signal }),
    escrow.now({ signal }),
    keptOf(config, logger),
  ]);
  const entryOf = (side: LedgerEntry['side'], account: ChannelAccount): LedgerEntry => {
    const id = channelIdHex(account.id);
    const known = kept.find(([each, { role }]) => each === id && (role === 'provider') === (side === 'served'))?.[1];
    const [committed, released] = [known?.committed ?? 0n, known?.released ?? 0n];
    return {
      id,
      side,
      role: known?.role ?? null,
      account,
      committed: committed > account.committed ? committed : account.committed,
      released: released > account.released ? released : account.released,
      answers: known?.answers ?? null,
      isEnding: known?.isEnding ?? false,
    };
  };
  const entries = [
    ...paid.map((account) => entryOf('paid', account)),
    ...served.map((account) => entryOf('served', account)),
  ];
  return { escrow, now, entries: entries.toSorted((a, b) => b.account.openedAt - a.account.openedAt) };
}

async function keptOf(
  { home }: CommandContext['config'],
  logger: Logger,
): Promise<readonly (readonly [ChannelId, Kept])[]> {
  const [own, theirs, { decodeAck }] = await Promise.all([
    import('../../node/payment/channel/kept-channel.ts'),
    import('../../node/provider/payment/channel/kept-channel.ts'),
    import('../../protocol/validate.ts'),
  ]);
  const paying = await Promise.all(
    (['client', 'router'] as const).map(async (role) => {
      const journal = own.openKeptChannels(home.channels[role], logger);
      return [...(await journal.read())].map(([id, kept]) => {
        const { committedLamports: committed, releasedLamports: released } = own.totalsOf(kept);
        const isEnding = kept.phase === 'closing' && !kept.jobs.some(({ failed }) => failed !== null);
        return [id, { role, committed, released, answers: kept.answers, isEnding }] as const;
      });
    }),
  );
  const serving = theirs.openKeptChannels(home.channels.provider, logger);
  const served = [...(await serving.read())].map(([id, { committed, released, closing }]) => {
    const isEnding = closing !== null;
    const totals = {
      committed: committed === null ? 0n : decodeAck(committed.body).committedLamports,
      released: released === null ? 0n : decodeAck(released.body).releasedLamports,
    };
    return [id, { role: 'provider', ...totals, answers: null, isEnding }] as const;
  });
  return [...paying.flat(), ...served];
}

/** @throws QvacError E_NOT_FOUND, E_USAGE if there are several */
export function findChannel({ entries }: ChannelLedger, prefix: string): LedgerEntry {
  const id = prefix.toLowerCase();
  if (!/^[0-9a-f]{1,64}$/.test(id))
    throw new QvacError('E_USAGE', `"${prefix.slice(0, 70)}" is not a channel id`, { hint: 'qvac channels ls' });
  const [found, ...others] = entries.filter((entry) => entry.id.startsWith(id));
  if (found === undefined)
    throw new QvacError('E_NOT_FOUND', `no open channel begins with ${prefix}`, { hint: 'qvac channels ls' });
  if (others.some((other) => other.id !== found.id))
    throw new QvacError('E_USAGE', `several channels begin with ${prefix}`, { hint: 'type more of the id' });
  return found;
}

interface Words {
  readonly state: string;
  readonly next: string;
  readonly at: number;
  readonly command: string | null;
}

/** What happens next and when, and the command for it. */
function words({ id, side, role, account, isEnding }: LedgerEntry, now: number): Words {
  const close = side === 'paid' && role === 'client' ? `qvac channels close ${id.slice(0, 8)}` : null;
  const { closing, expiresAt } = account;
  if (closing === null && isEnding) {
    // The terms must not be opened a second time.
    const at = Math.max(now, account.validUntil);
    return { state: 'closing', next: 'the provider closes it within 10 minutes', at, command: close };
  }
  if (closing === null) {
    const isOver = expiresAt <= now;
    const next = isOver ? 'can be closed by anyone' : `open until ${dateTime(expiresAt)}`;
    return { state: 'open', next, at: expiresAt, command: close };
  }
  const isDue = closing.finishAt <= now;
  const next = isDue ? 'can be finished' : `ends from ${dateTime(closing.finishAt)}`;
  const state = closing.rejected ? 'closing, rejected' : 'closing';
  return { state, next, at: closing.finishAt, command: isDue ? close : null };
}

/** The JSON of one channel (docs/json.md). */
export async function channelJson(entry: LedgerEntry, now: number) {
  const [{ addressText }, { peerIdOf }] = await Promise.all([
    import('../../escrow/addresses.ts'),
    import('../../proofs/signing.ts'),
  ]);
  const { id, side, role, account, committed, released, answers } = entry;
  const { state, next, at, command } = words(entry, now);
  return {
    id,
    side,
    role,
    peer: peerIdOf(side === 'paid' ? account.peer : account.clientPeer),
    state,
    next,
    nextAt: at,
    command,
    account: addressText(account.address),
    deposit: account.deposit.toString(),
    window: account.window.toString(),
    committed: committed.toString(),
    released: released.toString(),
    settled: account.settled.toString(),
    left: (account.deposit - committed).toString(),
    answers,
    openedAt: account.openedAt,
    expiresAt: account.expiresAt,
    challenges: account.challengesOpen,
  };
}

/** The lines of `qvac channels show`. */
export async function channelLines(entry: LedgerEntry, now: number): Promise<readonly string[]> {
  const value = await channelJson(entry, now);
  const held = BigInt(value.committed) - BigInt(value.released);
  const passed = value.answers === null ? '' : `, ${plural(value.answers, 'answer')} passed`;
  return [
    `channel   ${value.id}`,
    `${value.side === 'paid' ? 'with     ' : 'served to'} ${value.peer}`,
    `deposit   ${sol(BigInt(value.deposit))} since ${dateTime(value.openedAt)}`,
    `committed ${sol(BigInt(value.committed))}${passed}`,
    `released  ${sol(BigInt(value.released))}, ${sol(BigInt(value.settled))} of it paid out on the chain`,
    ...(held === 0n ? [] : [`held      ${sol(held)} for answers that are under way, or failed`]),
    `left      ${sol(BigInt(value.left))}`,
    `state     ${value.state}`,
    `next      ${value.next}`,
    ...(value.command === null ? [] : [`          ${value.command}`]),
  ];
}
