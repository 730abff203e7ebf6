import type { GatewayActivity, GatewayDay } from '../../gateway/activity.ts';
import type { GatewayRun } from '../../gateway/run-file.ts';

export interface GatewayStatus extends Pick<GatewayRun, 'url' | 'pid' | 'startedAt' | 'network'> {
  /** Under way, by how far they are. */
  readonly questions: GatewayActivity['questions'] | null;
  readonly today: GatewayDay | null;
}

/** What the gateway of this home does, as far as it has told; null where none runs. */
export async function gatewayStatusOf(dir: string, now: number): Promise<GatewayStatus | null> {
  const [{ readGatewayRun }, { readGatewayActivity }] = await Promise.all([
    import('../../gateway/run-file.ts'),
    import('../../gateway/activity.ts'),
  ]);
  const run = await readGatewayRun(dir);
  if (run === null || !run.running) return null;
  const { url, pid, startedAt, network } = run;
  const activity = await readGatewayActivity(dir, now);
  // Of an earlier run, it says nothing about this one.
  if (activity?.pid !== pid) return { url, pid, startedAt, network, questions: null, today: null };
  return { url, pid, startedAt, network, questions: activity.questions, today: activity.today };
}
