import { setMaxListeners } from 'node:events';
import type { Connection } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { QvacError } from '../../../errors.ts';
import type { QvacNode } from '../libp2p.ts';

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

/** Runs a dial with a signal of its own, which `signal` aborts only until the dial has ended or calls `unfollow`. */
export async function whileDialling<Value>(
  signal: AbortSignal,
  dial: (signal: AbortSignal, unfollow: () => void) => Promise<Value>,
): Promise<Value> {
  const attempt = new AbortController();
  setMaxListeners(0, attempt.signal);
  const stop = (): void => attempt.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const unfollow = (): void => signal.removeEventListener('abort', stop);
  try {
    return await dial(attempt.signal, unfollow);
  } finally {
    unfollow();
  }
}
