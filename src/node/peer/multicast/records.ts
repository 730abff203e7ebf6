import type { FullPacket, ResponseOutgoingPacket } from 'multicast-dns';
import type { PeerIdString } from '../../../lib/types.ts';
import { maxAddrs, targetPeer, usableDirectAddress } from '../addresses.ts';

export type Packet = Partial<Pick<FullPacket, 'questions' | 'answers' | 'additionals'>>;
export type Answer = ResponseOutgoingPacket['answers'][number];

/** A node that answered on the local network. */
export interface LocalNode {
  readonly peer: PeerIdString;
  /** Of the node's run: two runs with one key have two. */
  readonly instance: string;
  /** Multiaddrs without `/p2p`, at most 16. */
  readonly addrs: readonly string[];
}

/** Seconds for which an answer may be kept. */
const ttl = 120;
/** Of one string in a TXT record (RFC 6763 section 6.1). */
const maxTextBytes = 255;
const addressPrefix = 'dnsaddr=';

/** Whether a query asks for the nodes of `service`. */
export function asksFor({ questions = [] }: Packet, service: string): boolean {
  return questions.some(({ name, type }) => name === service && type === 'PTR');
}

/**
 * The records of a node, as libp2p's mDNS specification has them: a PTR from the service to the instance, and a TXT
 * `dnsaddr=<multiaddr>` of the instance for each address.
 * @param addrs multiaddrs with `/p2p/<id>`
 */
export function answersOf(service: string, instance: string, addrs: readonly string[]): Answer[] {
  const name = `${instance}.${service}`;
  const texts = addrs.map((address) => `${addressPrefix}${address}`).filter((data) => data.length <= maxTextBytes);
  return [
    { name: service, type: 'PTR', ttl, class: 'IN', data: name },
    ...texts.map((data): Answer => ({ name, type: 'TXT', ttl, class: 'IN', data })),
  ];
}

/** The node that answers for `service`, or null if the response is another's or malformed. Never throws. */
export function nodeIn({ answers = [], additionals = [] }: Packet, service: string): LocalNode | null {
  const pointer = answers.find((answer) => answer.type === 'PTR' && answer.name === service);
  if (pointer?.type !== 'PTR' || !pointer.data.endsWith(`.${service}`)) return null;
  const targets = [...answers, ...additionals].flatMap((answer) => (answer.type === 'TXT' ? textsOf(answer.data) : []));
  const addrs = new Map<string, PeerIdString>();
  for (const text of targets) {
    const [address, peer] = [usableDirectAddress(text), peerIn(text)];
    if (address !== null && peer !== null) addrs.set(address.toString(), peer);
    if (addrs.size === maxAddrs) break;
  }
  const [peer, ...others] = new Set(addrs.values());
  if (peer === undefined || others.length > 0) return null;
  return { peer, instance: pointer.data.slice(0, -service.length - 1), addrs: [...addrs.keys()] };
}

/** The multiaddrs in a TXT record's data. */
function textsOf(data: string | Buffer | readonly (string | Buffer)[]): readonly string[] {
  const parts: readonly (string | Buffer)[] = typeof data === 'string' || Buffer.isBuffer(data) ? [data] : data;
  return parts
    .map(String)
    .filter((text) => text.startsWith(addressPrefix))
    .map((text) => text.slice(addressPrefix.length));
}

function peerIn(address: string): PeerIdString | null {
  try {
    return targetPeer(address);
  } catch {
    return null;
  }
}
