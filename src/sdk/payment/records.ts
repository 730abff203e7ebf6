import type { Config } from '../../config.ts';
import { messageOf } from '../../errors.ts';
import { findHomeChain } from '../../escrow/home-chain.ts';
import { toHex } from '../../lib/bytes.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { LivePeer } from '../../node/discovery/discovery.ts';
import { recordsOf } from '../../node/payment/chain-record.ts';
import type { ChainRecord } from '../../node/payment/payments.ts';
import { isEmbedded } from './chain.ts';
import { openEscrowOf } from './escrow.ts';

/** The chain record of a peer, null if the chain has none. */
export type RecordOf = (peer: LivePeer) => ChainRecord | null;

/**
 * Reads the records of those `peers` that are paid on the configured chain. Logs a chain that does not answer, and does
 * not start an embedded chain.
 */
export async function readRecords(
  { config, logger }: { readonly config: Config; readonly logger: Logger },
  peers: readonly LivePeer[],
  options: AbortOptions,
): Promise<RecordOf> {
  const none: RecordOf = () => null;
  if (!peers.some(({ card }) => card.pay !== null)) return none;
  if (isEmbedded(config) && (await findHomeChain(config.home)) === null) return none;
  try {
    const escrow = await openEscrowOf(config, null, options);
    const records = recordsOf(await escrow.providers(options));
    return ({ card }) => (card.pay?.chain === escrow.chain ? (records.get(toHex(card.peer)) ?? null) : null);
  } catch (error) {
    options.signal?.throwIfAborted();
    logger.warn('cannot read chain records', { reason: messageOf(error) });
    return none;
  }
}
