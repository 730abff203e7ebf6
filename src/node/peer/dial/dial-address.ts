import type { Connection } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { QvacError } from '../../../errors.ts';
import type { QvacNode } from '../libp2p.ts';
import { whileDialling } from './while-dialling.ts';

/**
 * Opens a new connection to one address, also if there is one to that peer already.
 * @param signal ends the attempt. A signal that aborts later leaves the connection open: node:net itself would end it.
 * @throws the error of libp2p
 */
export async function dialAddress(
  node: QvacNode | null,
  address: Multiaddr,
  { signal }: { readonly signal: AbortSignal },
): Promise<Connection> {
  if (node === null) throw new QvacError('E_NETWORK', 'this node is not started');
  const { transportManager } = node.services.internals;
  return whileDialling(signal, (own) => transportManager.dial(address, { signal: own }));
}
