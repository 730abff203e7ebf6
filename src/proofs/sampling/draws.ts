import type { Candidate, ExtraSettings } from '../../protocol/messages.ts';
import { adjustmentOf, drawsOf, pickToken, type Weighing } from './sampler.ts';

export interface AnswerDrawsInit {
  readonly seed: Uint8Array;
  readonly weighing: Weighing;
  readonly extra: ExtraSettings;
}

/**
 * Draws an answer token by token (section 4.1, steps 2 to 4), from its first one: the draws and the counts of presence
 * and frequency go by the whole answer, whichever job wrote which part.
 */
export class AnswerDraws {
  readonly #weighing: Weighing;
  readonly #adjust: ReturnType<typeof adjustmentOf>;
  readonly #draw: (at: number) => bigint;
  readonly #counts = new Map<number, number>();
  #at = 0;

  constructor({ seed, weighing, extra }: AnswerDrawsInit) {
    this.#weighing = weighing;
    this.#adjust = adjustmentOf(extra);
    this.#draw = drawsOf(seed);
  }

  /** The draw of the next step. */
  get draw(): bigint {
    return this.#draw(this.#at);
  }

  /** The candidates of the next step with their `q'`. */
  adjust(candidates: readonly Candidate[]): readonly Candidate[] {
    return this.#adjust(candidates, (token) => this.#counts.get(token) ?? 0);
  }

  /** The token that the next step draws from its candidates. It is not added. */
  pick(candidates: readonly Candidate[]): number {
    return pickToken(this.adjust(candidates), this.#weighing, this.draw);
  }

  /** The next token of the answer, drawn or not. */
  add(token: number): void {
    this.#at++;
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }
}
