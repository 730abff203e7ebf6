import type { QvacError } from '../../errors.ts';
import { raceSignal } from '../../lib/abort.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { MalformedError } from '../../protocol/codec.ts';
import type { Input } from '../../protocol/messages.ts';
import { type AnswerExtra, routedExtra } from '../job/answer-extra.ts';
import { AnswerSoFar } from '../job/answer-so-far.ts';
import { costOf, countsOf, mostCostOf, payableTokens } from '../job/cost.ts';
import { verifyWhole } from '../verification/parts.ts';
import type { Answer, EarlierPart } from './answer.ts';
import type { BrokenEnding, BrokenPart } from './broken-part.ts';
import { type EarlierTotals, type FinishedAnswer, withReceipt } from './finish.ts';

interface ShownPart extends BrokenPart {
  /** Tokens of the answer before it. */
  readonly start: number;
}

/** Joins the parts of an answer that one provider after another wrote (section 4.6). */
export class PartedAnswer {
  readonly soFar: AnswerSoFar;
  readonly #parts: ShownPart[] = [];
  #lostLamports = 0n;

  /** @throws QvacError E_BAD_INPUT for an `extra` out of range */
  constructor({ continuation }: Input, extra: AnswerExtra) {
    this.soFar = new AnswerSoFar(continuation, routedExtra(extra));
  }

  /** Parts that broke off. */
  get count(): number {
    return this.#parts.length;
  }

  /** The providers that others have replaced. */
  get replaced(): readonly PeerIdString[] {
    return this.#parts.slice(0, -1).map(({ answer }) => answer.provider);
  }

  /** The last of them; null before the first. */
  get last(): BrokenPart | null {
    return this.#parts.at(-1) ?? null;
  }

  get totals(): EarlierTotals {
    return {
      text: this.soFar.wholeTextBefore,
      tokens: this.soFar.start,
      payableTokens: this.#parts.reduce((sum, { job }) => sum + payableTokens(job.offer, countsOf(job)), 0),
      costLamports: this.#parts.reduce((sum, { job }) => sum + costOf(job.offer, countsOf(job)), 0n),
    };
  }

  /** The most that the providers so far can be paid, lamports: they may have sent more than arrived. */
  get mostLamports(): bigint {
    return this.#parts.reduce((sum, { job }) => sum + mostCostOf(job.offer, countsOf(job)), this.#lostLamports);
  }

  /** A provider can be paid this much, and gave no token. */
  lost(lamports: bigint): void {
    this.#lostLamports += lamports;
  }

  /** @returns whether another provider can continue the answer */
  add(part: BrokenPart): boolean {
    this.#parts.push({ ...part, start: this.soFar.start });
    try {
      this.soFar.add(part.job);
      return true;
    } catch (error) {
      if (error instanceof MalformedError) return false;
      throw error;
    }
  }

  /** Resolves when every part is checked, stored and settled, or after `timeoutMs`. */
  async settled(timeoutMs: number): Promise<void> {
    await raceSignal(this.#endings(), AbortSignal.timeout(timeoutMs)).catch(() => undefined);
  }

  /** The whole answer, whose last part is `last`. */
  async whole(last: FinishedAnswer | Answer): Promise<Answer> {
    const lostLamports = this.#lostLamports;
    if (this.count === 0) return { ...last, lostLamports };
    const endings = await this.#endings();
    const earlier = this.#earlier(endings);
    const faultBefore = 'faultBefore' in last ? last.faultBefore : null;
    const { partly, ...checked } = verifyWhole(earlier, { ...last, faultBefore });
    const blamed = earlier.findIndex(({ provider }) => provider === checked.atFault);
    const { tokens, costLamports } = this.totals;
    return {
      ...last,
      ...checked,
      text: this.soFar.textBefore + last.text,
      tokens: tokens + last.tokens,
      earlier,
      costLamports: costLamports + last.costLamports,
      lostLamports,
      why: endings[blamed]?.why ?? last.why ?? partly,
    };
  }

  /**
   * No provider continues the answer.
   * @returns what there is of it if a check of it failed
   * @throws `error`, with the receipt of what arrived
   */
  async unfinished(error: QvacError): Promise<Answer> {
    const endings = await this.#endings();
    const caught = endings.findIndex(({ verification }) => verification?.result === 'fail');
    const [part, ending] = [this.#parts[caught], endings[caught]];
    if (part === undefined || ending?.verification == null) {
      const receipt = endings.findLast((each) => each.receipt !== null)?.receipt ?? null;
      throw receipt === null ? error : withReceipt(error, receipt);
    }
    return {
      ...part.answer,
      ...ending,
      verification: ending.verification,
      text: this.soFar.text,
      tokens: this.soFar.shownCount,
      earlier: this.#earlier(endings).filter((_, at) => at !== caught),
      atFault: part.answer.provider,
      costLamports: this.totals.costLamports,
      audit: null,
      consensus: null,
      referees: [],
      storeError: null,
      tooLate: false,
      interrupted: false,
    };
  }

  #endings(): Promise<readonly BrokenEnding[]> {
    return Promise.all(this.#parts.map(({ ending }) => ending));
  }

  #earlier(endings: readonly BrokenEnding[]): readonly EarlierPart[] {
    return this.#parts.flatMap(({ job, answer, start }, at) => {
      const ending = endings[at];
      const end = this.#parts[at + 1]?.start ?? this.soFar.start;
      const { provider } = answer;
      if (ending === undefined) return [];
      const { receipt, verification, payment } = ending;
      const costLamports = costOf(job.offer, countsOf(job));
      return [{ provider, tokens: end - start, receipt, verification, costLamports, payment }];
    });
  }
}
