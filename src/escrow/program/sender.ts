import {
  type BlockhashWithExpiryBlockHeight,
  ComputeBudgetProgram,
  type Connection,
  PublicKey,
  Transaction,
  type TransactionInstruction,
} from '@solana/web3.js';
import { QvacError } from '../../errors.ts';
import { anySignal, delay, raceSignal } from '../../lib/abort.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { isSignedBy } from '../../proofs/signing.ts';
import { decodeAddress } from '../../protocol/base58.ts';
import { addressText } from '../addresses.ts';
import type { Executed, WalletKey } from '../escrow.ts';
import type { Call } from './instructions/context.ts';
import { isDuplicate, isStaleBlockhash, refusalInAnswer, refusalOf } from './refusals.ts';
import { isTransient, type Rpc } from './rpc.ts';

/** Lamports that the network takes for each signature that it verifies. */
const signatureFee = 5_000n;
/** More than any instruction of the program uses: what a priority fee is paid for. */
const computeUnitLimit = 60_000;
const maxTransactionBytes = 1_232;
const firstPollMs = 25;
/** A slot of a cluster: nothing changes more often. */
const lastPollMs = 400;
/** Before a transaction is signed anew. */
const anewMs = 100;
/** How often a transaction that is not executed yet is sent again, for leaders that dropped it. */
const rebroadcastMs = 1_000;

/** Signatures of the latest transactions of this process: two of the same signature are one transaction. */
const signedLately = new Set<string>();
const maxSignedLately = 1_000;

export interface SenderInit {
  readonly wallet: WalletKey;
  /** Micro-lamports per compute unit on top of the fee. */
  readonly priorityFee: number;
  /** How long a transaction may take to be executed. */
  readonly timeoutMs: number;
}

interface Prepared {
  readonly raw: Uint8Array;
  /** base58 */
  readonly signature: string;
  readonly fee: bigint;
  readonly lastValidBlockHeight: number;
}

/**
 * Executes the call in one transaction, and returns when the cluster has confirmed it.
 *
 * The same bytes are sent until they are executed or cannot be any more; only then they are signed anew. So the call is
 * executed at most once, whatever gets lost on the way. If another call of this process does the very same in this
 * slot, this one waits for a newer blockhash, with which it is another transaction.
 * @throws RefusedError, QvacError E_FUNDS, E_CHAIN; the signal's reason
 */
export async function execute(
  rpc: Rpc,
  init: SenderInit,
  call: Call,
  { signal }: AbortOptions = {},
): Promise<Executed> {
  const limit = AbortSignal.timeout(init.timeoutMs);
  const either = anySignal(signal, limit);
  let last: Prepared | null = null;
  try {
    for (;;) {
      const prepared: Prepared = await prepare(rpc, init, call, either);
      const isOwn = prepared.signature === last?.signature || isNew(prepared.signature);
      if (isOwn) {
        last = prepared;
        if (await deliver(rpc, last, either)) return { signature: last.signature, fee: last.fee };
      }
      await delay(anewMs, either);
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!limit.aborted) throw error;
    const known = last === null ? '' : `; transaction ${last.signature} may still be executed`;
    throw new QvacError('E_CHAIN', `the chain did not confirm within ${init.timeoutMs / 1_000} s${known}`, {
      hint: 'qvac jobs ls shows whether it was',
      cause: error,
    });
  }
}

/** Whether no other call of this process has signed this transaction. Takes note of it. */
function isNew(signature: string): boolean {
  if (signedLately.has(signature)) return false;
  const [oldest] = signedLately;
  if (signedLately.size >= maxSignedLately && oldest !== undefined) signedLately.delete(oldest);
  signedLately.add(signature);
  return true;
}

async function latestBlockhash(connection: Connection): Promise<BlockhashWithExpiryBlockHeight> {
  const latest = await connection.getLatestBlockhash();
  if (decodeAddress(latest.blockhash) === null) throw new Error('it states no blockhash');
  return latest;
}

async function prepare(
  rpc: Rpc,
  { wallet, priorityFee }: SenderInit,
  call: Call,
  signal: AbortSignal,
): Promise<Prepared> {
  const { blockhash, lastValidBlockHeight } = await rpc.call(latestBlockhash, { signal });
  const feePayer = new PublicKey(wallet.publicKey);
  const unsigned = (instructions: readonly TransactionInstruction[]): Transaction =>
    new Transaction({ feePayer, blockhash, lastValidBlockHeight }).add(...instructions);
  const budget = [
    ComputeBudgetProgram.setComputeUnitLimit({ units: computeUnitLimit }),
    ComputeBudgetProgram.setComputeUnitPrice({ microLamports: priorityFee }),
  ];
  const baseFee = signatureFee * BigInt(1 + call.nodeSignatures);
  // The largest proofs have no room for a priority.
  const withPriority = priorityFee > 0 ? unsigned([...budget, ...call.instructions]) : null;
  const fits = withPriority !== null && withPriority.serializeMessage().length + 1 + 64 <= maxTransactionBytes;
  const transaction = fits ? withPriority : unsigned(call.instructions);
  const message = transaction.serializeMessage();
  const signature = await raceSignal(Promise.resolve(wallet.sign(message)), signal);
  if (!isSignedBy(wallet.publicKey, message, signature))
    throw new QvacError('E_KEY', 'the wallet signed something else than this transaction');
  transaction.addSignature(feePayer, Buffer.from(signature));
  const extra = fits ? BigInt(Math.ceil((priorityFee * computeUnitLimit) / 1_000_000)) : 0n;
  // The library's own check of the signature takes longer than all the rest together.
  return {
    raw: transaction.serialize({ verifySignatures: false }),
    signature: addressText(signature),
    fee: baseFee + extra,
    lastValidBlockHeight,
  };
}

/** True once it is executed, false where it never will be. @throws where it was refused */
async function deliver(rpc: Rpc, prepared: Prepared, signal: AbortSignal): Promise<boolean> {
  const { signature, lastValidBlockHeight } = prepared;
  if (!(await submit(rpc, prepared, signal))) return false;
  let [pauseMs, sinceBroadcastMs] = [firstPollMs, 0];
  for (;;) {
    const { value } = await rpc.call((connection) => connection.getSignatureStatuses([signature]), { signal });
    const status = value[0];
    if (status?.err) throw await refusalOfExecuted(rpc, signature, status.err, signal);
    if (status?.confirmationStatus === 'confirmed' || status?.confirmationStatus === 'finalized') {
      rpc.saw(status.slot);
      return true;
    }
    await delay(pauseMs, signal);
    sinceBroadcastMs += pauseMs;
    pauseMs = Math.min(lastPollMs, pauseMs * 1.2);
    if (status || sinceBroadcastMs < rebroadcastMs) continue;
    sinceBroadcastMs = 0;
    const { absoluteSlot, blockHeight = 0 } = await rpc.call((connection) => connection.getEpochInfo(), { signal });
    if (blockHeight > lastValidBlockHeight) {
      const late = await rpc.call(
        (connection) => connection.getSignatureStatuses([signature], { searchTransactionHistory: true }),
        { signal },
      );
      // A node that is behind cannot say that it was not executed.
      if (!late.value[0] && late.context.slot >= absoluteSlot) return false;
    } else {
      // What this says is no news: its refusal may come from the first one having been executed meanwhile.
      await rpc.connection
        .sendRawTransaction(prepared.raw, { skipPreflight: true, maxRetries: 0 })
        .catch(() => undefined);
      signal.throwIfAborted();
    }
  }
}

/**
 * Sends it for the first time; false if it is too old to be taken. What gets lost on the way counts as sent, and so
 * does what a proxy passed on to a second node, which has seen it before.
 */
async function submit(rpc: Rpc, { raw }: Prepared, signal: AbortSignal): Promise<boolean> {
  try {
    await rpc.connection.sendRawTransaction(raw, { maxRetries: 0 });
  } catch (error) {
    signal.throwIfAborted();
    if (isStaleBlockhash(error)) return false;
    if (isDuplicate(error) || isTransient(error)) return true;
    throw refusalInAnswer(error) ?? rpc.failure(error);
  }
  return true;
}

async function refusalOfExecuted(rpc: Rpc, signature: string, cause: unknown, signal: AbortSignal): Promise<Error> {
  const transaction = await rpc
    .call((connection) => connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 }), { signal })
    .catch(() => null);
  return refusalOf(JSON.stringify(cause), transaction?.meta?.logMessages ?? []);
}
