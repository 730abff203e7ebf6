import type { IdlEvents, Program } from '@coral-xyz/anchor';
import anchor from '@coral-xyz/anchor';
import { PublicKey } from '@solana/web3.js';
import type BN from 'bn.js';
import type { Escrow as EscrowIdl } from '../../../programs/escrow/artifacts/escrow.ts';
import { equalBytes } from '../../lib/bytes.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { ChannelOutcome, JobOutcome, SlashReason } from '../accounts.ts';
import { bigintOf } from './accounts.ts';
import type { Rpc } from './rpc.ts';

type Events = IdlEvents<EscrowIdl>;
type Where = Pick<JobOutcome, 'signature' | 'at'>;
type JobEnd = Omit<JobOutcome, keyof Where>;
type ChannelEnd = Omit<ChannelOutcome, keyof Where>;

/**
 * How many of an account's latest transactions are looked at: a job has three, and anyone can name its address in more.
 */
const historyLimit = 100;

const slashReasons: readonly SlashReason[] = ['silence', 'equivocation', 'sampler'];

/** How the last job at `address` ended, from the event of the transaction that closed it. */
export function findJobOutcome(
  rpc: Rpc,
  program: Program<EscrowIdl>,
  address: Uint8Array,
  options: AbortOptions,
): Promise<JobOutcome | null> {
  return findEnd(rpc, program, address, options, (name, data) =>
    isAbout(data, 'job', address) ? jobEnd(name, data) : null,
  );
}

/** How the channel at `address` ended, from the event of the transaction that closed it. */
export function findChannelOutcome(
  rpc: Rpc,
  program: Program<EscrowIdl>,
  address: Uint8Array,
  options: AbortOptions,
): Promise<ChannelOutcome | null> {
  return findEnd(rpc, program, address, options, (name, data) =>
    isAbout(data, 'channel', address) ? channelEnd(name, data) : null,
  );
}

/** What `endOf` makes of the newest event that is an end. */
async function findEnd<End>(
  rpc: Rpc,
  program: Program<EscrowIdl>,
  address: Uint8Array,
  options: AbortOptions,
  endOf: (name: string, data: unknown) => End | null,
): Promise<(End & Where) | null> {
  const key = new PublicKey(address);
  const history = await rpc.call(
    (connection) => connection.getSignaturesForAddress(key, { limit: historyLimit }),
    options,
  );
  const parser = new anchor.EventParser(program.programId, program.coder);
  for (const { signature, err } of history) {
    if (err !== null) continue;
    const transaction = await rpc.call(
      (connection) => connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 }),
      options,
    );
    // Of several in one transaction the last one counts.
    for (const event of [...parser.parseLogs(transaction?.meta?.logMessages ?? [])].reverse()) {
      const end = endOf(event.name, event.data);
      if (end === null) continue;
      const seconds = transaction?.blockTime ?? null;
      return { ...end, signature, at: seconds === null ? null : seconds * 1_000 };
    }
  }
  return null;
}

function isAbout(data: unknown, field: 'job' | 'channel', address: Uint8Array): boolean {
  if (typeof data !== 'object' || data === null) return false;
  const named = (data as Readonly<Record<string, unknown>>)[field];
  return named instanceof PublicKey && equalBytes(named.toBytes(), address);
}

function jobEnd(name: string, data: unknown): JobEnd | null {
  switch (name) {
    case 'jobRefunded': {
      const event = data as Events['jobRefunded'];
      return { ...jobParts('refunded', event), caller: event.caller.toBytes() };
    }
    case 'jobConfirmed': {
      const event = data as Events['jobConfirmed'];
      return { ...jobParts('confirmed', event), caller: event.caller.toBytes() };
    }
    case 'jobRejected':
      return jobParts('rejected', data as Events['jobRejected']);
    case 'jobSlashed': {
      const event = data as Events['jobSlashed'];
      return { ...jobParts('slashed', event), reason: reasonOf(event.reason) };
    }
    default:
      return null;
  }
}

function channelEnd(name: string, data: unknown): ChannelEnd | null {
  switch (name) {
    case 'channelClosed':
      return channelParts('closed', data as Events['channelClosed']);
    case 'channelFinished':
      return channelParts('finished', data as Events['channelFinished']);
    case 'channelSlashed': {
      const event = data as Events['channelSlashed'];
      return { ...channelParts('slashed', event), reason: reasonOf(event.reason) };
    }
    default:
      return null;
  }
}

interface EndEvent {
  readonly provider: PublicKey;
  readonly refunded: BN;
  readonly burnt?: BN;
  readonly compensation?: BN;
}

function jobParts(
  how: JobEnd['how'],
  event: EndEvent & { readonly jobId: number[]; readonly client: PublicKey; readonly paid?: BN },
): JobEnd {
  return {
    how,
    jobId: Uint8Array.from(event.jobId),
    client: event.client.toBytes(),
    caller: null,
    paid: amountOf(event.paid),
    ...shared(event),
  };
}

function channelParts(
  how: ChannelEnd['how'],
  event: EndEvent & { readonly id: number[]; readonly payer: PublicKey; readonly settled: BN },
): ChannelEnd {
  return {
    how,
    id: Uint8Array.from(event.id),
    payer: event.payer.toBytes(),
    paid: amountOf(event.settled),
    ...shared(event),
  };
}

function shared({ provider, refunded, burnt, compensation }: EndEvent) {
  return {
    provider: provider.toBytes(),
    refunded: amountOf(refunded),
    burnt: amountOf(burnt),
    compensation: amountOf(compensation),
    reason: null,
  };
}

const amountOf = (value: BN | undefined): bigint => (value === undefined ? 0n : bigintOf(value));

function reasonOf(reason: object): SlashReason | null {
  return slashReasons.find((name) => name in reason) ?? null;
}
