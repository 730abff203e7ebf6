import { messageOf } from '../../errors.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import { settledWithin } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { createSharedOpening } from '../../lib/shared-runs.ts';
import type { AbortOptions, JobId, PeerIdString } from '../../lib/types.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { createJournal } from '../home/journal.ts';
import type { ReceiptStore } from '../home/receipt-store.ts';
import type { Peer } from '../peer/peer.ts';
import type { ChallengeConsent } from './chain-challenge.ts';
import type { ChannelNews, ChannelPolicy, WalletChannels } from './channel/channels.ts';
import { createClientChannels } from './channel/client-channels.ts';
import { isLeft, openKeptChannels } from './channel/kept-channel.ts';
import { settlementJson } from './outcome.ts';
import { type ClientPayments, type EscrowWallet, isSettled, type LeftPayment, type Settlement } from './payments.ts';
import { pendingPaymentForm } from './pending-payment.ts';
import { ProgramWallet } from './program-wallet.ts';

export interface EscrowPaymentsComponents {
  /** Opens the escrow with the wallet that pays; called once, when a payment first needs it. */
  readonly openEscrow: (options: AbortOptions) => Promise<Escrow>;
  /**
   * The receipts: evidence for payments that an earlier process left, and the place to record how each was settled.
   * @default none
   */
  readonly receipts?: Pick<ReceiptStore, 'get' | 'settle'> | undefined;
  /** Whether a provider that opens nothing is challenged on the chain, for a bond. @default never */
  readonly mayChallenge?: ChallengeConsent | undefined;
  /** What channels need beside the escrow. @default null: there are none */
  readonly channels?: ChannelParts | null | undefined;
  readonly logger: Logger;
}

export interface ChannelParts {
  /** The node that signs acknowledgements. */
  readonly peer: Peer;
  /** Finds the addresses of a provider. */
  readonly reach: (provider: PeerIdString, options: AbortOptions) => Promise<unknown>;
  readonly clock: Clock;
  /** Folder of the channels that have not ended. */
  readonly dir: string;
  readonly policy: ChannelPolicy;
  readonly onNews?: ((news: ChannelNews) => void) | undefined;
}

export interface EscrowPaymentsInit {
  /** Folder of the payments that are locked and not settled. */
  readonly dir: string;
  /** How long to wait until the provider has submitted the final head, in ms. @default 30_000 */
  readonly submitMs?: number | undefined;
  /** How long before the rejection window closes a check must end, in ms. @default 20_000 */
  readonly marginMs?: number | undefined;
  /** How long `stop` waits for refunds of broken-off answers, in ms. @default 2_000 */
  readonly stopMs?: number | undefined;
  /** Interval of settling unsettled payments in a long-lived process, in ms. @default null: once, at the start */
  readonly sweepMs?: number | null | undefined;
  /**
   * Whether a passed answer is confirmed at once. Otherwise the provider claims its payment once the rejection window
   * has closed: for a wallet whose owner would have to sign the confirmation. @default true
   */
  readonly confirms?: boolean | undefined;
  /** Called for each payment of an earlier process that is now settled. */
  readonly onSettled?: ((left: LeftPayment) => void) | undefined;
}

/** How long before the rejection window closes a check must end, in ms. */
const defaultMarginMs = 20_000;
/** How long `stop` waits at most for tasks to end once they are aborted, in ms. */
const lastWritesMs = 2_000;

export function createEscrowPayments(components: EscrowPaymentsComponents, init: EscrowPaymentsInit): ClientPayments {
  const { openEscrow, receipts = null, mayChallenge = async () => false, logger } = components;
  const receiptOf = async (jobId: JobId): Promise<Receipt | null> =>
    (await receipts?.get(jobId).catch(() => null))?.receipt ?? null;
  const keep = async (jobId: JobId, settlement: Settlement): Promise<void> => {
    await receipts?.settle(jobId, settlementJson(settlement)).catch((error: unknown) =>
      logger.warn('the settlement was not added to the receipt', {
        job: jobId,
        reason: messageOf(error),
      }),
    );
  };
  const journal = createJournal(init.dir, pendingPaymentForm, logger);
  const end = new AbortController();
  const tasks = new Set<Promise<void>>();
  let opening: Promise<EscrowWallet> | null = null;
  let timer: NodeJS.Timeout | null = null;
  const run = (work: Promise<void>): void => {
    tasks.add(work);
    void work.finally(() => tasks.delete(work));
  };
  const channelsOf = (escrow: Escrow): WalletChannels | null => {
    const { channels: parts = null } = components;
    const { wallet } = escrow;
    if (parts === null || wallet === null) return null;
    const { peer, reach, clock, ...channelInit } = parts;
    return createClientChannels({ escrow: { ...escrow, wallet }, peer, reach, receiptOf, clock, logger }, channelInit);
  };
  const open = createSharedOpening((options) => {
    opening = openEscrow(options).then(
      (escrow) =>
        new ProgramWallet(
          {
            escrow,
            journal,
            receiptOf,
            keep,
            mayChallenge,
            channels: channelsOf(escrow),
            logger,
            run,
            end: end.signal,
          },
          {
            submitMs: init.submitMs ?? 30_000,
            marginMs: init.marginMs ?? defaultMarginMs,
            confirms: init.confirms ?? true,
          },
        ),
    );
    return opening;
  });
  /** Whether this process or an earlier one has a channel that needs care. */
  async function hasLeftChannels(): Promise<boolean> {
    const { channels: parts = null } = components;
    if (parts === null) return false;
    const kept = await openKeptChannels(parts.dir, logger).read();
    return [...kept.values()].some((each) => isLeft(each, parts.clock.now()));
  }
  /** Settles what earlier processes left. Never throws. */
  async function sweep(): Promise<void> {
    try {
      const hasChannels = await hasLeftChannels();
      if ((await journal.read()).size === 0 && !hasChannels) return;
      const wallet = await open({ signal: end.signal });
      if (hasChannels) await wallet.channels?.resume({ signal: end.signal });
      for (const left of await wallet.resume({ signal: end.signal }))
        if (isSettled(left.settlement)) init.onSettled?.(left);
    } catch (error) {
      if (!end.signal.aborted)
        logger.warn('earlier payments are still unsettled', {
          reason: messageOf(error),
        });
    }
  }
  return {
    open,
    async start() {
      run(sweep());
      const { sweepMs = null } = init;
      if (sweepMs !== null) timer ??= setInterval(() => run(sweep()), sweepMs).unref();
    },
    async stop() {
      if (timer !== null) clearInterval(timer);
      await settledWithin(Promise.allSettled(tasks), init.stopMs ?? 2_000);
      const wallet = await (opening as Promise<EscrowWallet> | null)?.catch(() => null);
      await wallet?.channels?.stop();
      end.abort(new Error('stopping'));
      // What a task had begun to write must not be cut off.
      await settledWithin(Promise.allSettled(tasks), lastWritesMs);
    },
  };
}
