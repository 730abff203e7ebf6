import type { Connection } from '@libp2p/interface';
import type { Logger } from '../../lib/log.ts';
import type { QvacNode } from './libp2p.ts';

/** How long the first stream of a connection has for itself before both sides ask each other who they are, in ms. */
const introduceMs = 100;

export interface IntroduceInit {
  /** The connection was dialled for a stream. */
  readonly beside: boolean;
  readonly logger: Logger;
}

/** Learns which protocols the other side speaks. Beside a question it would double the time to its answer. */
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
