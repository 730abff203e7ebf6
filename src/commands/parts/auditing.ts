import { systemClock } from '../../lib/clock.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { shortPeer } from '../../terminal/format.ts';
import type { CommandContext } from './definition.ts';

/**
 * What `assessment` becomes with the word of an auditor, who sees the receipt's prompt. A fault that was found here
 * stands; the auditor's word counts for what it re-executed.
 * @param auditor peer id or multiaddr
 * @throws QvacError E_USAGE where `auditor` is neither, else as of `auditReceipt`
 */
export async function withAudit(
  { config, logger, signal }: Pick<CommandContext, 'config' | 'logger' | 'signal'>,
  receipt: Receipt,
  assessment: Assessment,
  auditor: string,
): Promise<Assessment> {
  const [{ join }, { loadIdentity }, { auditReceipt }, { targetPeer }] = await Promise.all([
    import('../../node/join.ts'),
    import('../../node/home/identity.ts'),
    import('../../node/verification/audit.ts'),
    import('../../node/peer/addresses.ts'),
  ]);
  targetPeer(auditor, 'E_USAGE');
  const { peer, discovery, stop } = await join(
    { config, clock: systemClock, logger },
    { role: 'client', key: await loadIdentity(config.home.keys.client, logger) },
  );
  try {
    const target = auditor.startsWith('/') ? auditor : (await discovery.get(auditor, { signal })).peer;
    const { verdict, auditor: who } = await auditReceipt({ peer }, { receipt, auditor: target }, { signal });
    const { result, tier, faults } = verdict;
    const check = {
      name: 'audit',
      result,
      detail: `${shortPeer(who)} says ${result} (${[tier, ...faults].join(', ')})`,
    };
    const checks = [...assessment.checks, check];
    // Without an opening, a pass is not to be had from anybody.
    return assessment.result === 'pass' || result === 'fail'
      ? { ...assessment, ...verdict, checks }
      : { ...assessment, checks };
  } finally {
    await stop();
  }
}
