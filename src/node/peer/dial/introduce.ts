import type { Connection } from '@libp2p/interface';
import type { Logger } from '../../../lib/log.ts';
import type { QvacNode } from '../libp2p.ts';

/** How long the first stream of a connection runs alone before both sides identify each other, in ms. */
const introduceMs = 100;

export interface IntroduceInit {
  /** The connection was dialled for a stream. */
  readonly beside: boolean;
  readonly logger: Logger;
}

/** Learns the other side's protocols. Before a question it would double the time to the answer, so it comes later. */
export function introduce(node: QvacNode, connection: Connection, { beside, logger }: IntroduceInit): void {
  const identify = (): void => {
    if (connection.status !== 'open') return;
    node.services.identify
      .identify(connection)
      .catch((error: unknown) =>
        logger.debug('not identified', { peer: connection.remotePeer.toString(), error: String(error) }),
      );
  };
  if (connection.direction === 'outbound' && !beside) identify();
  else setTimeout(identify, introduceMs).unref();
}
