import { messageOf } from '../../errors.ts';
import type { JobOutcome } from '../../escrow/accounts.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import { equalBytes, toHex } from '../../lib/bytes.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import { toBase58 } from '../../protocol/base58.ts';
import type { ReceiptStore } from '../home/receipt-store.ts';
import type { Settlement } from './payments.ts';

export interface SettledJob {
  /** Address of its account, 32 bytes. */
  readonly address: Uint8Array;
  readonly jobId: Uint8Array;
  /** Locked lamports. */
  readonly amount: bigint;
}

/**
 * Looks up on the chain how a closed job was settled, and adds that to its receipts.
 * @param stores the stores that may have a receipt of the job; failures to write are logged
 * @returns null if the chain has no record
 * @throws QvacError E_CHAIN
 */
export async function keepOutcome(
  escrow: Pick<Escrow, 'jobOutcome' | 'chain'>,
  { address, jobId, amount }: SettledJob,
  { stores, logger }: { readonly stores: readonly Pick<ReceiptStore, 'settle'>[]; readonly logger: Logger },
  options: AbortOptions = {},
): Promise<JobOutcome | null> {
  const outcome = await escrow.jobOutcome(address, options);
  if (outcome === null) return null;
  const id = toHex(jobId) as JobId;
  const settlement = settlementJson(
    settlementOf(outcome, { chain: escrow.chain, account: address, locked: amount, fees: 0n }),
  );
  const written = await Promise.allSettled(stores.map((store) => store.settle(id, settlement)));
  for (const each of written)
    if (each.status === 'rejected')
      logger.warn('the settlement was not added to the receipt', {
        job: id,
        reason: messageOf(each.reason),
      });
  return outcome;
}

/** The JSON form of a settlement, in receipts and for programs: amounts are decimal strings of lamports. */
export function settlementJson({
  state,
  chain,
  account,
  locked,
  paid,
  refunded,
  burnt,
  compensation,
  fees,
  signature,
  dueAt,
  channel,
}: Settlement) {
  return {
    state,
    by: channel === null ? 'job' : 'channel',
    chain,
    account: toBase58(account),
    locked: locked.toString(),
    paid: paid.toString(),
    refunded: refunded.toString(),
    burnt: burnt.toString(),
    compensation: compensation.toString(),
    fees: fees.toString(),
    signature,
    dueAt,
    channel: channel && {
      id: channel.id,
      deposit: channel.deposit.toString(),
      left: channel.left.toString(),
      underWay: channel.underWay.toString(),
    },
  };
}

/** The settlement of a closed job, from its outcome on the chain; `gone` if the chain has no record (null). */
export function settlementOf(
  outcome: JobOutcome | null,
  job: Pick<Settlement, 'chain' | 'account' | 'locked' | 'fees'>,
): Settlement {
  const nothing = { paid: 0n, refunded: 0n, burnt: 0n, compensation: 0n, signature: null };
  const { paid, refunded, burnt, compensation, signature } = outcome ?? nothing;
  const where = { ...job, state: settledState(outcome), channel: null };
  return { ...where, paid, refunded, burnt, compensation, signature, dueAt: null };
}

/** How a job was settled, by whom among the parties it was; `gone` if the chain has no record (null). */
export function settledState(outcome: JobOutcome | null): Settlement['state'] {
  if (outcome === null) return 'gone';
  const { how, caller, client, provider } = outcome;
  if (how === 'confirmed' && caller !== null && !equalBytes(caller, client)) return 'claimed';
  if (how === 'refunded' && caller !== null && equalBytes(caller, provider)) return 'declined';
  return how;
}

const states: ReadonlySet<string> = new Set<Settlement['state']>([
  'confirmed',
  'rejected',
  'slashed',
  'declined',
  'refunded',
  'claimed',
  'open',
  'submitted',
  'gone',
  'challenged',
  'released',
  'withheld',
]);

/**
 * Reads the unsigned settlement of a receipt file; null if it does not have the form of `settlementJson`. Amounts in
 * lamports.
 */
export function readSettlement(
  value: Readonly<Record<string, unknown>> | null,
): Pick<Settlement, 'state' | 'locked' | 'paid' | 'refunded' | 'burnt' | 'compensation' | 'dueAt'> | null {
  if (value === null) return null;
  const { state, dueAt } = value;
  const [locked, paid, refunded, burnt, compensation] = ['locked', 'paid', 'refunded', 'burnt', 'compensation'].map(
    (key) => {
      const text = value[key];
      return typeof text === 'string' && /^\d{1,20}$/.test(text) ? BigInt(text) : null;
    },
  );
  if (
    typeof state !== 'string' ||
    !states.has(state) ||
    locked == null ||
    paid == null ||
    refunded == null ||
    burnt == null ||
    compensation == null
  )
    return null;
  return {
    state: state as Settlement['state'],
    locked,
    paid,
    refunded,
    burnt,
    compensation,
    dueAt: typeof dueAt === 'number' && Number.isSafeInteger(dueAt) && dueAt >= 0 ? dueAt : null,
  };
}
