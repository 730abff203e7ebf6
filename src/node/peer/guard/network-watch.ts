import type { MultiaddrConnection } from '@libp2p/interface';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';

/** Tells an outage of this node's own network from the silence of one peer. */
export interface NetworkWatch {
  /**
   * Whether this node is cut off: neither the peer nor another that was connected when the watch began sends a byte
   * within 5 s. False if no other was connected, since there is nothing to compare with.
   */
  isCutOff(): Promise<boolean>;
}

/** Whether an outage of the network leaves the connection as it is. */
export function isOnThisMachine({ remoteAddr }: Pick<MultiaddrConnection, 'remoteAddr'>): boolean {
  return kindOfIp(ipOfMultiaddr(remoteAddr.toString()) ?? '') === 'loopback';
}

/** Whether any of `connections` brings a byte within `ms`, once `probe` has asked for some. */
export async function anySends(
  connections: readonly MultiaddrConnection[],
  ms: number,
  probe: () => void,
): Promise<boolean> {
  if (connections.length === 0) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const onByte = (): void => resolve(true);
  const over = setTimeout(resolve, ms, false);
  for (const connection of connections) connection.addEventListener('message', onByte);
  try {
    probe();
    return await promise;
  } finally {
    clearTimeout(over);
    for (const connection of connections) connection.removeEventListener('message', onByte);
  }
}
