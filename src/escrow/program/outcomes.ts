import type { IdlEvents, Program } from '@coral-xyz/anchor';
import anchor from '@coral-xyz/anchor';
import { PublicKey } from '@solana/web3.js';
import type { Escrow as EscrowIdl } from '../../../programs/escrow/artifacts/escrow.ts';
import { equalBytes } from '../../lib/bytes.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { JobOutcome, SlashReason } from '../escrow.ts';
import { bigintOf } from './accounts.ts';
import type { Rpc } from './rpc.ts';

type Events = IdlEvents<EscrowIdl>;
type Settlement = Omit<JobOutcome, 'signature' | 'at'>;

/**
 * How many of an account's latest transactions are looked at: a job has three, and anyone can name its address in more.
 */
const historyLimit = 100;

const slashReasons: Readonly<Record<string, SlashReason>> = {
  equivocation: 'equivocation',
  headMismatch: 'head-mismatch',
  sampler: 'sampler',
};

/** How the last job at `address` ended, from the event of the transaction that closed it. */
export async function findOutcome(
  rpc: Rpc,
  program: Program<EscrowIdl>,
  address: Uint8Array,
  options: AbortOptions,
): Promise<JobOutcome | null> {
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
      if (!isAbout(event.data, address)) continue;
      const settlement = settlementOf(event.name, event.data);
      if (settlement === null) continue;
      const seconds = transaction?.blockTime ?? null;
      return { ...settlement, signature, at: seconds === null ? null : seconds * 1_000 };
    }
  }
  return null;
}

function isAbout(data: unknown, address: Uint8Array): boolean {
  return (
    typeof data === 'object' &&
    data !== null &&
    'job' in data &&
    data.job instanceof PublicKey &&
    equalBytes(data.job.toBytes(), address)
  );
}

function settlementOf(name: string, data: unknown): Settlement | null {
  switch (name) {
    case 'jobDeclined': {
      const event = data as Events['jobDeclined'];
      return settlement('declined', event, { refunded: bigintOf(event.refunded) });
    }
    case 'jobRefunded': {
      const event = data as Events['jobRefunded'];
      return settlement('refunded', event, { refunded: bigintOf(event.refunded) });
    }
    case 'jobConfirmed': {
      const event = data as Events['jobConfirmed'];
      return settlement('confirmed', event, { paid: bigintOf(event.paid), refunded: bigintOf(event.refunded) });
    }
    case 'jobClaimed': {
      const event = data as Events['jobClaimed'];
      return settlement('claimed', event, { paid: bigintOf(event.paid), refunded: bigintOf(event.refunded) });
    }
    case 'jobRejected': {
      const event = data as Events['jobRejected'];
      return settlement('rejected', event, { burnt: bigintOf(event.burnt), refunded: bigintOf(event.refunded) });
    }
    case 'jobSlashed': {
      const event = data as Events['jobSlashed'];
      const [reason = ''] = Object.keys(event.reason);
      return settlement('slashed', event, {
        refunded: bigintOf(event.refunded),
        compensation: bigintOf(event.compensation),
        burnt: bigintOf(event.burnt),
        reason: slashReasons[reason] ?? null,
      });
    }
    default:
      return null;
  }
}

function settlement(
  how: Settlement['how'],
  event: { readonly jobId: number[]; readonly client: PublicKey; readonly provider: PublicKey },
  amounts: Partial<Settlement>,
): Settlement {
  const nothing = { paid: 0n, refunded: 0n, burnt: 0n, compensation: 0n, reason: null };
  return {
    how,
    jobId: Uint8Array.from(event.jobId),
    client: event.client.toBytes(),
    provider: event.provider.toBytes(),
    ...nothing,
    ...amounts,
  };
}
