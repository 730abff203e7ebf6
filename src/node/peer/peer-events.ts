import type { EventEmitter } from 'node:events';
import type { PeerIdString } from '../../lib/types.ts';
import type { Reach } from '../home/reach.ts';
import { isRelayed } from './addresses.ts';
import type { QvacNode } from './libp2p.ts';

/** What happens to a peer's connections, by peer id. */
export interface PeerEvents {
  /** The first connection to a peer opened. */
  connect: [peer: PeerIdString];
  /** A direct connection to a peer opened that was connected through a relay alone. */
  direct: [peer: PeerIdString];
  /** The last connection to a peer closed. */
  disconnect: [peer: PeerIdString];
  /** A connected peer said which protocols it speaks. */
  identify: [peer: PeerIdString, protocols: readonly string[]];
  /** A node of our network answered on the local network; its addresses are known now. */
  local: [peer: PeerIdString];
  /** The addresses that this node announces have changed. */
  addresses: [addrs: readonly string[]];
  /** The way in which others reach this node has changed, or its addresses. */
  reach: [reach: Reach];
}

/** Emits on `events` what `node` tells about its peers. */
export function relayEvents(node: QvacNode, events: EventEmitter<PeerEvents>): void {
  node.addEventListener('peer:connect', ({ detail }) => events.emit('connect', detail.toString() as PeerIdString));
  node.addEventListener('peer:disconnect', ({ detail }) =>
    events.emit('disconnect', detail.toString() as PeerIdString),
  );
  node.addEventListener('connection:open', ({ detail: { id, remoteAddr, remotePeer } }) => {
    const others = node.getConnections(remotePeer).filter((each) => each.id !== id);
    if (!isRelayed(remoteAddr) && others.length > 0 && others.every((each) => isRelayed(each.remoteAddr)))
      events.emit('direct', remotePeer.toString() as PeerIdString);
  });
  node.addEventListener('peer:identify', ({ detail: { peerId, protocols } }) =>
    events.emit('identify', peerId.toString() as PeerIdString, protocols),
  );
}
