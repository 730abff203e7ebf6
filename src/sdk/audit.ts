import type { Config } from '../config.ts';
import { systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { AbortOptions } from '../lib/types.ts';
import { loadIdentity } from '../node/home/identity.ts';
import { join } from '../node/join.ts';
import { targetPeer } from '../node/peer/addresses.ts';
import { auditReceipt } from '../node/verification/audit.ts';
import { audited } from '../node/verification/second-opinion.ts';
import type { Assessment } from '../proofs/checks.ts';
import type { Receipt } from '../proofs/receipt.ts';

/**
 * `assessment` with the verdict of an auditor, who sees the receipt's prompt. A fault found here stands; the auditor's
 * verdict counts for what it re-executed.
 * @param auditor peer id or multiaddr
 * @throws QvacError E_USAGE if `auditor` is neither; as of `auditReceipt`
 */
export async function withAudit(
  { config, logger }: { readonly config: Config; readonly logger: Logger },
  receipt: Receipt,
  assessment: Assessment,
  auditor: string,
  options: AbortOptions,
): Promise<Assessment> {
  targetPeer(auditor, 'E_USAGE');
  const key = await loadIdentity(config.home.keys.client, logger);
  const { peer, discovery, stop } = await join({ config, clock: systemClock, logger }, { role: 'client', key });
  try {
    const target = auditor.startsWith('/') ? auditor : (await discovery.get(auditor, options)).peer;
    const { verdict } = await auditReceipt({ peer }, { receipt, auditor: target }, options);
    return audited(assessment, verdict);
  } finally {
    await stop();
  }
}
