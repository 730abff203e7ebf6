import type { Config } from '../../config.ts';
import { messageOf } from '../../errors.ts';
import { toHex } from '../../lib/bytes.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { LivePeer } from '../../node/discovery/discovery.ts';
import type { ChainRecord } from '../../node/payment/payments.ts';
import { isEmbedded, openEscrowOf } from './paying.ts';

/** What the chain says of one peer, null where it says nothing. */
export type RecordOf = (peer: LivePeer) => ChainRecord | null;

/**
 * What the configured chain says of those peers that are paid there. A chain that does not answer says nothing, and an
 * embedded one that does not run is not started for this.
 */
export async function readRecords(
  config: Config,
  peers: readonly LivePeer[],
  logger: Logger,
  options: AbortOptions,
): Promise<RecordOf> {
  const none: RecordOf = () => null;
  if (!peers.some(({ card }) => card.pay !== null)) return none;
  if (isEmbedded(config)) {
    const { findHomeChain } = await import('../../escrow/home-chain.ts');
    if ((await findHomeChain(config.home)) === null) return none;
  }
  try {
    const { recordsOf } = await import('../../node/payment/chain-record.ts');
    const escrow = await openEscrowOf(config, null, options);
    const records = recordsOf(await escrow.providers(options));
    return ({ card }) => (card.pay?.chain === escrow.chain ? (records.get(toHex(card.peer)) ?? null) : null);
  } catch (error) {
    options.signal?.throwIfAborted();
    logger.warn('the chain says nothing of these peers', {
      reason: messageOf(error),
    });
    return none;
  }
}

/** `12 paid, 1 rejected`. */
export function recordWords({ completed, refunded, rejected, slashed }: ChainRecord): string {
  const bad = [
    [refunded, 'refunded'],
    [rejected, 'rejected'],
    [slashed, 'slashed'],
  ] as const;
  return [`${completed} paid`, ...bad.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`)].join(
    ', ',
  );
}
