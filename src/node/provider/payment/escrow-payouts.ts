import { messageOf, QvacError } from '../../../errors.ts';
import type { Escrow } from '../../../escrow/escrow.ts';
import { settledWithin } from '../../../lib/abort.ts';
import { type Clock, systemTimer, type Timer } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions } from '../../../lib/types.ts';
import type { SigningKey } from '../../../proofs/signing.ts';
import { type Pay, payFrom } from '../../../protocol/messages.ts';
import { OfferRefusal } from '../refusal.ts';
import { ChallengeAnswers } from './challenge-answers.ts';
import { ChannelPayouts } from './channel/channel-payouts.ts';
import { JobPayouts } from './job-payouts.ts';
import type { AdmittedOrder, ChannelNews, PaidJob, PaidOrder, PaymentNews, ProviderPayouts } from './payouts.ts';
import { createStakeLedger } from './stake-ledger.ts';
import { createStepFiles } from './step-files.ts';

export interface EscrowPayoutsComponents {
  /** Must have the wallet that is registered as this provider's authority. */
  readonly escrow: Escrow;
  /** The node's, as registered with the wallet. */
  readonly key: SigningKey;
  readonly clock: Clock;
  /** @default the system's */
  readonly timer?: Pick<Timer, 'now'> | undefined;
  readonly logger: Logger;
}

export interface EscrowPayoutsInit {
  /** Folder of the delivered answers that are not settled. */
  readonly dir: string;
  /** Folder of the channels that have not ended. */
  readonly channelDir: string;
  /** Folder of what opens the answers that the chain can ask for. */
  readonly stepDir: string;
  /** Interval of the sweep over all of this provider's jobs, in ms. @default 15_000 */
  readonly sweepMs?: number | undefined;
  /**
   * How long before the client can take a refund the answer must end, in ms: its submission takes time, too.
   * @default 60_000
   */
  readonly marginMs?: number | undefined;
  readonly onNews?: ((news: PaymentNews) => void) | undefined;
  readonly onChannelNews?: ((news: ChannelNews) => void) | undefined;
}

/** How long `stop` waits for running transactions, ms. */
const stopMs = 5_000;
/** @throws RangeError if the escrow has no wallet */
export function createEscrowPayouts(components: EscrowPayoutsComponents, init: EscrowPayoutsInit): ProviderPayouts {
  return new EscrowPayouts(components, init);
}

class EscrowPayouts implements ProviderPayouts {
  readonly pay: Pay;
  readonly channels: ChannelPayouts;
  readonly #jobs: JobPayouts;
  readonly #logger: Logger;
  readonly #sweepMs: number;
  readonly #end = new AbortController();
  #sweeping: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  constructor({ escrow, key, clock, timer = systemTimer, logger }: EscrowPayoutsComponents, init: EscrowPayoutsInit) {
    const { wallet } = escrow;
    if (wallet === null) throw new RangeError('"escrow" expected a wallet, got none');
    const { dir, channelDir, stepDir, marginMs = 60_000, onNews, onChannelNews } = init;
    const end = this.#end.signal;
    this.pay = { chain: escrow.chain, program: escrow.program, payee: wallet };
    this.#logger = logger;
    this.#sweepMs = init.sweepMs ?? 15_000;
    const stake = createStakeLedger(escrow, wallet);
    const steps = createStepFiles(stepDir, logger);
    const challenges = new ChallengeAnswers({ escrow, steps, logger });
    this.#jobs = new JobPayouts(
      { escrow, stake, steps, challenges, clock, logger },
      { payee: wallet, peer: key.publicKey, dir, marginMs, onNews: (news) => onNews?.(news), end },
    );
    this.channels = new ChannelPayouts(
      { escrow: { ...escrow, wallet }, key, stake, steps, challenges, clock, timer, logger },
      { dir: channelDir, onNews: (news) => onChannelNews?.(news), end },
    );
  }

  async start(): Promise<void> {
    await this.#jobs.recall();
    await this.channels.recall();
    await this.#sweep();
    this.#schedule();
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    await settledWithin(this.channels.settleAll(), stopMs);
    this.#end.abort(new Error('stopping'));
    await settledWithin(Promise.allSettled([this.#jobs.idle(), this.#sweeping]), stopMs);
  }

  async secure(order: AdmittedOrder, options: AbortOptions = {}): Promise<PaidJob> {
    const isInChannel = order.offer.payment.pay === payFrom.channel;
    try {
      return await (isInChannel ? this.channels.secure(order, options) : this.#jobs.secure(order, options));
    } catch (error) {
      this.#jobs.decline(order);
      if (!(error instanceof QvacError) || (error.code !== 'E_CHAIN' && error.code !== 'E_ESCROW')) throw error;
      const { message: reason } = error;
      this.#logger.warn('the payment of a job could not be read from the chain', { job: order.jobId, reason });
      throw new OfferRefusal('internal', 'this provider cannot read the chain now');
    }
  }

  decline(order: PaidOrder): void {
    this.#jobs.decline(order);
  }

  #schedule(): void {
    if (this.#end.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#sweeping = this.#sweep().then(() => this.#schedule());
    }, this.#sweepMs).unref();
  }

  /** Never throws. */
  async #sweep(): Promise<void> {
    for (const payouts of [this.#jobs, this.channels])
      await payouts.sweep().catch((error: unknown) => {
        if (!this.#end.signal.aborted)
          this.#logger.warn('the chain could not be asked for payments', { reason: messageOf(error) });
      });
  }
}
