import { messageOf, ownWordsOf, QvacError, toError } from '../../errors.ts';
import { shortPeer } from '../../lib/names.ts';
import type { AbortOptions, JobId, ModelId, PeerIdString } from '../../lib/types.ts';
import { type Calibration, limitsOf } from '../../proofs/calibration.ts';
import { FaultError } from '../../proofs/fault.ts';
import { decodeHead } from '../../proofs/head.ts';
import type { ComparisonEvidence } from '../../proofs/score/compare.ts';
import { type Comparison, type Judgement, judgeReferees } from '../../proofs/score/referees.ts';
import { type ScoreRequest, scoreRequestOf } from '../../proofs/score/score-request.ts';
import { maxReferees, maxScoredTokens } from '../../protocol/constants.ts';
import type { Settlement } from '../payment/payments.ts';
import type { Reputation } from '../selection/reputation.ts';
import type { Choice } from '../selection/select.ts';
import { type Candidates, type CandidatesComponents, drawnFrom, type ScoreSize, scoreSizeOf } from './candidates.ts';
import { maxAskedReferees } from './constants.ts';
import type { PanelInit, PanelResult, RefereeReport } from './reports.ts';
import { askReferee, type ScoreJob, type ScoreJobComponents } from './score-job.ts';

export interface PanelComponents extends CandidatesComponents, ScoreJobComponents {
  readonly reputation: Pick<Reputation, 'standing' | 'speed' | 'record'>;
  /** Replaces the limits of section 6 for a model; null: none. */
  readonly calibration: (model: ModelId) => Promise<Calibration | null>;
}

interface Seat {
  readonly peer: PeerIdString;
  readonly job: ScoreJob | null;
  comparison: Comparison | null;
  why: string | null;
}

/** The referees of one answer. */
export class Panel {
  readonly #components: PanelComponents;
  readonly #candidates: Candidates;
  readonly #init: PanelInit;
  readonly #options: AbortOptions;
  /** In the order of their draw. */
  readonly #seats: Seat[] = [];
  #drawn: Choice[] = [];
  #leftLamports: bigint;
  #tooDear = 0;
  /** Upper bound of the prompt's tokens. */
  #promptTokens = 0;
  #evidence: ComparisonEvidence;

  constructor(components: PanelComponents, candidates: Candidates, init: PanelInit, options: AbortOptions) {
    this.#components = components;
    this.#candidates = candidates;
    this.#init = init;
    this.#options = options;
    this.#leftLamports = init.maxPrice;
    this.#evidence = { textBefore: init.textBefore };
  }

  async run(): Promise<PanelResult> {
    const { receipt, count } = this.#init;
    const request = scoreRequestOf(receipt);
    if (request === null) return this.#end('there is nothing to score');
    if (request.sampler.maxTokens > maxScoredTokens) return this.#end('the answer is too long to be scored');
    if (request.grammar !== null && this.#evidence.vocabulary === undefined)
      return this.#end('a score of an answer with a grammar says nothing without the model file');
    try {
      const size = scoreSizeOf(receipt, request);
      this.#promptTokens = size.promptTokens;
      this.#evidence = { ...this.#evidence, calibration: limitsOf(await this.#components.calibration(size.model)) };
      this.#drawn = [...(await this.#draw(size))];
      await this.#hear(request, count);
      if (this.#judge().result !== 'pass') await this.#hear(request, maxReferees);
      return this.#end(null);
    } catch (error) {
      for (const { job } of this.#seats) job?.abandon(toError(error));
      throw error;
    }
  }

  async #draw(size: Omit<ScoreSize, 'maxPrice'>): Promise<readonly Choice[]> {
    const { receipt, provider, among, except } = this.#init;
    const most = { ...size, maxPrice: Number(this.#leftLamports) };
    const found = await this.#candidates.find(most, provider, among?.length ?? maxReferees, this.#options);
    const mayBeAsked = ({ card: { peer } }: Choice): boolean =>
      among?.includes(peer) !== false && except?.includes(peer) !== true;
    const { root } = decodeHead(receipt.heads[0]?.body ?? new Uint8Array());
    return drawnFrom(found.filter(mayBeAsked), root, receipt.secret ?? new Uint8Array());
  }

  get #voices(): number {
    return this.#seats.filter(({ comparison }) => comparison !== null).length;
  }

  /** Asks referees until `wanted` of them say something, or there are no more to ask. */
  async #hear(request: ScoreRequest, wanted: number): Promise<void> {
    while (this.#voices < wanted) {
      const seats = await this.#collectHeads(request, wanted - this.#voices);
      if (seats.length === 0) return;
      await Promise.all(
        seats.map(async (seat) => {
          seat.comparison = (await seat.job?.open(this.#options)) ?? null;
          if (seat.comparison === null) seat.why = 'its score does not pass its own checks';
        }),
      );
    }
  }

  /** The next `count` referees that give a head; fewer if no more can be asked. */
  async #collectHeads(request: ScoreRequest, count: number): Promise<readonly Seat[]> {
    const headed: Seat[] = [];
    while (headed.length < count) {
      const next = this.#next(count - headed.length);
      if (next.length === 0) break;
      const seats = await Promise.all(next.map((choice) => this.#seat(choice, request)));
      this.#seats.push(...seats);
      this.#options.signal?.throwIfAborted();
      headed.push(...seats.filter(({ job }) => job !== null));
    }
    return headed;
  }

  /** The next ones in the order of the draw that what is left can pay for. */
  #next(count: number): readonly Choice[] {
    const next: Choice[] = [];
    while (next.length < count && this.#seats.length + next.length < maxAskedReferees) {
      const choice = this.#drawn.shift();
      if (choice === undefined) break;
      if (choice.priceLamports > this.#leftLamports) {
        this.#tooDear++;
        continue;
      }
      this.#leftLamports -= choice.priceLamports;
      next.push(choice);
    }
    return next;
  }

  async #seat(choice: Choice, request: ScoreRequest): Promise<Seat> {
    const { receipt } = this.#init;
    const { peer } = choice.card;
    try {
      const promptTokens = Math.min(this.#promptTokens, choice.model.context - request.sampler.maxTokens);
      const score = { choice, receipt, request, promptTokens, evidence: this.#evidence };
      return { peer, job: await askReferee(this.#components, score, this.#options), comparison: null, why: null };
    } catch (error) {
      // Thrown again once the others that were asked at the same time are known, so that they are given up, too.
      if (!(error instanceof QvacError || error instanceof FaultError) && this.#options.signal?.aborted !== true)
        throw error;
      this.#components.logger.info('a referee gave no score', { peer: shortPeer(peer), reason: ownWordsOf(error) });
      // It was not paid: its share pays for another one.
      this.#leftLamports += choice.priceLamports;
      return { peer, job: null, comparison: null, why: messageOf(error) };
    }
  }

  #judge(): Judgement {
    return judgeReferees(
      this.#seats.map(({ comparison }) => comparison),
      this.#init.count === 1 ? 1 : 2,
    );
  }

  #end(refused: string | null): PanelResult {
    const judgement = this.#judge();
    const far = new Set<JobId>(judgement.farReferees);
    const isFar = ({ job }: Seat): boolean => job !== null && far.has(job.jobId);
    return {
      judgement,
      calibration: this.#evidence.calibration?.digest ?? null,
      referees: this.#seats.map((seat) => reportOf(seat, isFar(seat))),
      why: judgement.result === 'inconclusive' ? (refused ?? this.#why()) : null,
      concluded: this.#conclude(isFar),
    };
  }

  async #conclude(isFar: (seat: Seat) => boolean): Promise<readonly Settlement[]> {
    const settled = await Promise.allSettled(this.#seats.map((seat) => seat.job?.conclude(isFar(seat))));
    return settled.flatMap((each) => {
      if (each.status === 'fulfilled') return each.value ?? [];
      this.#components.logger.warn('a score job could not be concluded', { reason: messageOf(each.reason) });
      return [];
    });
  }

  #why(): string {
    const asked = this.#seats.length;
    if (this.#voices > 1) return `no two of ${this.#voices} referees agree`;
    if (this.#voices === 1) return 'one referee is not enough for that, and no second one answered';
    if (asked > 0) return asked === 1 ? 'the only referee gave no score' : `none of ${asked} referees gave a score`;
    return this.#tooDear > 0 ? 'every referee costs more than --max-price leaves' : 'no other provider can score it';
  }
}

function reportOf({ peer, job, comparison, why }: Seat, isFar: boolean): RefereeReport {
  return {
    peer,
    job: job?.jobId ?? null,
    result: comparison?.result ?? null,
    fault: comparison?.fault ?? null,
    tier: comparison?.tier ?? null,
    isFar,
    why,
    costLamports: job?.costLamports ?? 0n,
  };
}
