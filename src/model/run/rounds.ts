import type { TopLogits } from '../../proofs/logits.ts';
import type { LaneCall, Lanes } from './weights.ts';

/** Clears the companion's history every so many steps, so that it stays negligible. */
const companionSteps = 32;
const companionToken = 1;

export interface RoundWork {
  readonly call: LaneCall;
  readonly topK: number;
  /** True if other sessions' single tokens may be in the same engine call. */
  readonly shared: boolean;
  /** True if a call that would carry a single token must carry a companion too (protocol section 2). */
  readonly companion: boolean;
}

interface Waiting {
  readonly work: RoundWork;
  readonly accept: (logits: readonly TopLogits[]) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Puts the work of several sessions into engine calls: a prompt block is a call of its own, and never cut; single
 * tokens of
 * sessions that may share go together. First come, first served.
 */
export interface Rounds {
  run(work: RoundWork): Promise<readonly TopLogits[]>;
}

/** @param spare the lane that companions use, or null if there is none */
export function createRounds(lanes: Lanes, spare: number | null): Rounds {
  const queue: Waiting[] = [];
  let draining = false;

  function takeRound(): Waiting[] {
    const first = queue.shift();
    if (first === undefined) return [];
    if (!isShareable(first.work)) return [first];
    const together = queue.filter(
      (waiting) =>
        isShareable(waiting.work) &&
        waiting.work.topK === first.work.topK &&
        waiting.work.companion === first.work.companion,
    );
    for (const waiting of together) queue.splice(queue.indexOf(waiting), 1);
    return [first, ...together];
  }

  async function evaluate(round: readonly Waiting[]): Promise<void> {
    const [first] = round;
    if (first === undefined) return;
    const calls = round.map((waiting) => waiting.work.call);
    const alone = calls.length === 1 && calls[0]?.tokens.length === 1;
    if (alone && first.work.companion && spare !== null) {
      if (lanes.length(spare) >= companionSteps) await lanes.erase(spare, 0);
      calls.push({ lane: spare, tokens: [companionToken], logitsFrom: 1 });
    }
    const results = await lanes.evaluate(calls, first.work.topK);
    for (const [at, waiting] of round.entries()) waiting.accept(results[at] ?? []);
  }

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      // One turn of the event loop lets the sessions of the last round queue their next token, so that they stay
      // together.
      if (queue.some((waiting) => waiting.work.shared)) await new Promise<void>((resume) => setImmediate(resume));
      const round = takeRound();
      await evaluate(round).catch((error: unknown) => {
        for (const waiting of round) waiting.reject(error);
      });
    }
    draining = false;
  }

  return {
    run(work) {
      return new Promise((accept, reject) => {
        queue.push({ work, accept, reject });
        if (draining) return;
        draining = true;
        void drain();
      });
    },
  };
}

function isShareable(work: RoundWork): boolean {
  return work.shared && work.call.tokens.length === 1;
}
