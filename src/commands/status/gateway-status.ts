import type { GatewayActivity, GatewayDay } from '../../gateway/activity.ts';
import type { GatewayRun } from '../../gateway/run-file.ts';

export interface GatewayStatus extends Pick<GatewayRun, 'url' | 'pid' | 'startedAt' | 'network'> {
  /** Questions under way, by state; null without a report of this run. */
  readonly questions: GatewayActivity['questions'] | null;
  readonly today: GatewayDay | null;
}

/** The last report of the gateway of this home; null if none runs. */
export async function gatewayStatusOf(dir: string, now: number): Promise<GatewayStatus | null> {
  const [{ readGatewayRun }, { readGatewayActivity }] = await Promise.all([
    import('../../gateway/run-file.ts'),
    import('../../gateway/activity.ts'),
  ]);
  const run = await readGatewayRun(dir);
  if (run === null || !run.running) return null;
  const { url, pid, startedAt, network } = run;
  const activity = await readGatewayActivity(dir, now);
  // A report of an earlier run says nothing about this one.
  if (activity?.pid !== pid) return { url, pid, startedAt, network, questions: null, today: null };
  return { url, pid, startedAt, network, questions: activity.questions, today: activity.today };
}
