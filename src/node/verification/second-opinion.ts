import { ownWordsOf, QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import { equalBytes } from '../../lib/bytes.ts';
import type { Logger } from '../../lib/log.ts';
import { shortPeer } from '../../lib/names.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { jobIdHex, modelIdHex } from '../../protocol/digests.ts';
import type { Verdict } from '../../protocol/messages.ts';
import { decodeOffer } from '../../protocol/validate.ts';
import type { Discovery } from '../discovery/discovery.ts';
import { modelsNamed } from '../discovery/query.ts';
import type { Peer } from '../peer/peer.ts';
import { type AuditOpinion, auditReceipt } from './audit.ts';
import { isRecomputed } from './verification.ts';

/**
 * Asks another node to re-execute an answer; resolves to null if no node did. Rejects only if the signal aborts.
 */
export type SecondOpinion = (receipt: Receipt, options: AbortOptions) => Promise<AuditOpinion | null>;

export interface SecondOpinionComponents {
  readonly peer: Peer;
  readonly discovery: Pick<Discovery, 'get'>;
  readonly logger: Logger;
}

/** How long one auditor may take, in ms. */
const auditTimeoutMs = 600_000;

/**
 * @param auditors peer ids or multiaddrs of routers, asked in this order. They must be chosen or run by the person,
 * since an auditor sees the prompt (section 4.0). A router whose card does not list the model receives nothing.
 */
export function createSecondOpinion(
  { peer, discovery, logger }: SecondOpinionComponents,
  auditors: () => Promise<readonly string[]>,
): SecondOpinion {
  async function ask(auditor: string, receipt: Receipt, options: AbortOptions): Promise<AuditOpinion> {
    const offer = decodeOffer(receipt.offer.body);
    const { peer: id, card } = await discovery.get(auditor, options);
    if (card.role !== 'router' || modelsNamed(card, modelIdHex(offer.modelId)).length === 0)
      throw new QvacError('E_NO_MODEL', 'it does not re-execute this model');
    if (equalBytes(card.peer, offer.provider) || equalBytes(card.peer, peer.key.publicKey))
      throw new QvacError('E_NOT_SERVED', 'it took part in this answer');
    const opinion = await auditReceipt({ peer }, { receipt, auditor: auditor.startsWith('/') ? auditor : id }, options);
    if (!isRecomputed(opinion.verdict)) throw new QvacError('E_INCONCLUSIVE', 'it could not re-execute this answer');
    return opinion;
  }
  return async (receipt, options) => {
    const limit = AbortSignal.timeout(auditTimeoutMs);
    const signal = anySignal(limit, options.signal);
    for (const auditor of await auditors()) {
      try {
        return await ask(auditor, receipt, { signal });
      } catch (error) {
        options.signal?.throwIfAborted();
        logger.warn('an auditor gave no second opinion', { auditor, reason: ownWordsOf(error) });
      }
    }
    return null;
  };
}

/** An assessment of what this machine could check, with the verdict of an auditor that re-executed the answer. */
export function audited(assessment: Assessment, verdict: Verdict): Assessment {
  const { verifier, result, tier, meanTv, maxTv, rmsDq, meanMiss, faults, calibration } = verdict;
  const detail = `${shortPeer(peerIdOf(verifier))} says ${result} (${[tier, ...faults].join(', ')})`;
  const checks = [...assessment.checks, { name: 'audit', result, detail }];
  // Without an opening no auditor can turn an answer into a pass.
  if (assessment.count === 0 && result !== 'fail') return { ...assessment, checks };
  return {
    ...assessment,
    ...{ result, tier, meanTv, maxTv, rmsDq, meanMiss, faults, calibration, checks },
    referees: verdict.referees.map(jobIdHex),
  };
}
