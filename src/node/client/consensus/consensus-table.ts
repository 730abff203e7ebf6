import { raceSignal } from '../../../lib/abort.ts';
import { equalBytes } from '../../../lib/bytes.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { isSameList } from '../../../proofs/checks/same-list.ts';
import { noStatistics } from '../../../proofs/checks/statistics.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import { decodeOffer } from '../../../protocol/validate.ts';
import type { Referees } from '../../referees/referees.ts';
import type { PanelInit, PanelResult, RefereeCount } from '../../referees/reports.ts';
import type { PanelAsker } from '../recompute.ts';

/** One provider's answer, or the place of one that gave none. */
interface Seat {
  readonly peer: PeerIdString;
  readonly receipt: PromiseWithResolvers<Receipt | null>;
}

/** What one member's answer is worth to the others. */
interface Voice {
  readonly peer: PeerIdString;
  readonly agrees: boolean;
}

/**
 * The table at which providers of one question are compared. Each answer waits until all are there. Equal classes must
 * have given equal tokens, as they had the same seed; members of different classes score each other's answers. An
 * answer with which not all agree is inconclusive, unless referees by lot decide: the members were chosen, not drawn.
 */
export class ConsensusTable {
  readonly #referees: Referees;
  readonly #seats: readonly Seat[];
  readonly #refereeCount: RefereeCount | null;
  readonly #voices = new Map<PeerIdString, readonly Voice[]>();

  /** @param refereeCount referees by lot that decide a disagreement; null: none */
  constructor(referees: Referees, members: readonly PeerIdString[], refereeCount: RefereeCount | null) {
    this.#referees = referees;
    this.#refereeCount = refereeCount;
    this.#seats = members.map((peer) => ({ peer, receipt: Promise.withResolvers<Receipt | null>() }));
  }

  /** In the place of the referees of one member's answer: `ask` waits for the others. */
  panelOf(peer: PeerIdString): PanelAsker {
    return {
      ask: (init, options = {}) => {
        this.#seat(peer).receipt.resolve(init.receipt);
        return this.#compare(peer, init, options);
      },
    };
  }

  /** A member gives no answer that could be compared, or none any more. */
  left(peer: PeerIdString): void {
    this.#seat(peer).receipt.resolve(null);
  }

  /** How many answers agree with a member's, itself included, and how many were compared; null if it was not. */
  agreementOf(peer: PeerIdString): { readonly agreed: number; readonly of: number } | null {
    const voices = this.#voices.get(peer) ?? null;
    return voices && { agreed: 1 + voices.filter(({ agrees }) => agrees).length, of: 1 + voices.length };
  }

  #seat(peer: PeerIdString): Seat {
    const seat = this.#seats.find((each) => each.peer === peer);
    if (seat === undefined) throw new Error('no member of this consensus');
    return seat;
  }

  async #compare(peer: PeerIdString, init: PanelInit, options: AbortOptions): Promise<PanelResult | null> {
    const others = await this.#others(peer, options);
    const [equal, foreign] = partition(others, ({ receipt }) => isSameClass(receipt, init.receipt));
    const among = foreign.map((other) => other.peer);
    const scored = await this.#scoredBy(among, init, options);
    const passes = (other: PeerIdString): boolean =>
      scored?.referees.some((report) => report.peer === other && report.result === 'pass') === true;
    const voices: readonly Voice[] = [
      ...equal.map((other) => ({ peer: other.peer, agrees: isSameAnswer(other.receipt, init.receipt) })),
      ...among.map((other) => ({ peer: other, agrees: passes(other) })),
    ];
    this.#voices.set(peer, voices);
    if (voices.every(({ agrees }) => agrees)) return scored;
    await scored?.concluded;
    if (this.#refereeCount === null) return this.#disagreement(peer);
    const except = this.#seats.map((seat) => seat.peer);
    // What the members' scores cost is spent.
    const spent = scored?.referees.reduce((sum, { costLamports }) => sum + costLamports, 0n) ?? 0n;
    const maxPrice = init.maxPrice > spent ? init.maxPrice - spent : 0n;
    return this.#referees.ask({ ...init, count: this.#refereeCount, except, maxPrice }, options);
  }

  async #others(
    peer: PeerIdString,
    { signal }: AbortOptions,
  ): Promise<readonly { readonly peer: PeerIdString; readonly receipt: Receipt }[]> {
    const others = this.#seats.filter((seat) => seat.peer !== peer);
    const receipts = await raceSignal(Promise.all(others.map(({ receipt }) => receipt.promise)), signal);
    return others.flatMap((other, at) => {
      const receipt = receipts[at] ?? null;
      return receipt === null ? [] : [{ peer: other.peer, receipt }];
    });
  }

  async #scoredBy(among: readonly PeerIdString[], init: PanelInit, options: AbortOptions): Promise<PanelResult | null> {
    if (among.length === 0) return null;
    return this.#referees.ask({ ...init, count: among.length > 1 ? 3 : 1, among }, options);
  }

  #disagreement(peer: PeerIdString): PanelResult {
    const { agreed, of: heard } = this.agreementOf(peer) ?? { agreed: 1, of: 1 };
    return {
      judgement: {
        ...noStatistics,
        result: 'inconclusive',
        fault: null,
        tier: null,
        referees: [],
        farReferees: [],
        heard,
      },
      calibration: null,
      referees: [],
      why: `${agreed} of ${heard} answers agree`,
      concluded: Promise.resolve([]),
    };
  }
}

function isSameClass(one: Receipt, other: Receipt): boolean {
  const isExact = one.exec?.sequences === 1;
  return isExact && equalBytes(decodeOffer(one.offer.body).execClass, decodeOffer(other.offer.body).execClass);
}

/** Without the tokenizer, nobody here can tell which of two texts is that of the tokens. */
function isSameAnswer(one: Receipt, other: Receipt): boolean {
  return isSameList(one.tokens, other.tokens) && one.text === other.text;
}

function partition<Item>(items: readonly Item[], test: (item: Item) => boolean): readonly [Item[], Item[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
