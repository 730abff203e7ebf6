import type { Connection, IdentifyResult } from '@libp2p/interface';
import { type IpKind, ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import type { Reach } from '../../home/reach.ts';
import { isRelayed } from '../addresses.ts';

/** As many as a machine has on its networks and behind its routers. Peers may claim any address. */
const maxObserved = 4;

export class ReachLog {
  readonly #observed = new Set<string>();
  readonly #dialledIn: Record<IpKind, number> = { loopback: 0, private: 0, public: 0 };

  get value(): Pick<Reach, 'observed' | 'dialledIn'> {
    return { observed: [...this.#observed], dialledIn: { ...this.#dialledIn } };
  }

  opened({ direction, remoteAddr }: Pick<Connection, 'direction' | 'remoteAddr'>): void {
    if (isRelayed(remoteAddr)) return;
    const kind = kindOfIp(ipOfMultiaddr(remoteAddr.toString()) ?? '');
    if (direction === 'inbound' && kind !== null) this.#dialledIn[kind] += 1;
  }

  identified({ observedAddr }: Pick<IdentifyResult, 'observedAddr'>): void {
    const ip = ipOfMultiaddr(observedAddr?.toString() ?? '');
    if (ip === null || kindOfIp(ip) === null) return;
    this.#observed.delete(ip);
    this.#observed.add(ip);
    const [oldest] = this.#observed;
    if (this.#observed.size > maxObserved && oldest !== undefined) this.#observed.delete(oldest);
  }
}
