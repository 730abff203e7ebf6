import type { ChannelAccount, Delivery, JobAccount } from '../../../escrow/accounts.ts';
import type { Escrow, Subject } from '../../../escrow/escrow.ts';
import { RefusedError } from '../../../escrow/refusal.ts';
import type { Logger } from '../../../lib/log.ts';
import { channelIdHex, jobIdHex } from '../../../protocol/digests.ts';
import type { StepFiles } from './step-files.ts';

export interface ChallengeAnswersComponents {
  readonly escrow: Escrow;
  readonly steps: StepFiles;
  readonly logger: Logger;
}

/** Opens on the chain what clients challenge there: silence would cost the stake. */
export class ChallengeAnswers {
  readonly #components: ChallengeAnswersComponents;

  constructor(components: ChallengeAnswersComponents) {
    this.#components = components;
  }

  /** @throws QvacError E_CHAIN, E_FUNDS */
  async answerJob(job: JobAccount): Promise<void> {
    if (job.submitted !== null) await this.#answer({ job }, jobIdHex(job.jobId), job.jobId, job.submitted);
  }

  /** Answers the challenges about every answer of a channel. @throws QvacError E_CHAIN, E_FUNDS */
  async answerChannel(channel: ChannelAccount): Promise<void> {
    if (channel.challengesOpen === 0) return;
    for (const evidence of await this.#components.escrow.evidences({ channel: channel.address }))
      await this.#answer({ evidence, channel }, channelIdHex(channel.id), evidence.jobId, evidence.delivery);
  }

  async #answer(subject: Subject, payment: string, job: Uint8Array, delivery: Delivery): Promise<void> {
    const open = delivery.challenge?.open ?? [];
    if (open.length === 0) return;
    const { escrow, steps, logger } = this.#components;
    const jobId = jobIdHex(job);
    const record = await steps.read(payment, jobId, delivery.tokenCount);
    if (record === null) {
      logger.error('an answer is challenged on the chain, and its steps are lost', { job: jobId });
      return;
    }
    for (const step of record.steps(open)) {
      try {
        await escrow.answerChallenge(subject, step);
        logger.info('a challenged step was opened on the chain', { job: jobId, step: step.i });
      } catch (error) {
        // Answered by another process, or over.
        if (!(error instanceof RefusedError)) throw error;
        logger.warn('a challenged step could not be opened', { job: jobId, step: step.i, reason: error.message });
      }
    }
  }
}
