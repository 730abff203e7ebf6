import type { FaultCode, Tier } from '../../protocol/messages.ts';
import { FaultError } from '../fault.ts';

export interface CheckReport {
  readonly name: string;
  readonly result: 'pass' | 'fail' | 'skipped' | 'inconclusive';
  /** One line for people. */
  readonly detail: string;
}

/** What a check found that did not fail; one that fails throws FaultError. */
export type Finding = Pick<CheckReport, 'detail'> & { readonly result: Exclude<CheckReport['result'], 'fail'> };

export function skipped(detail: string): Finding {
  return { result: 'skipped', detail };
}

/** Runs checks in their order and stops at the first that fails; the rest is reported as skipped. */
export class CheckRun {
  readonly reports: CheckReport[] = [];
  #failure: { readonly fault: FaultCode; readonly tier: Tier } | null = null;

  get failure(): { readonly fault: FaultCode; readonly tier: Tier } | null {
    return this.#failure;
  }

  /** @param tier of the result if this check fails */
  check(name: string, tier: Tier, run: () => Finding): void {
    this.reports.push({ name, ...this.#find(tier, run) });
  }

  has(name: string, result: CheckReport['result']): boolean {
    return this.reports.some((report) => report.name === name && report.result === result);
  }

  #find(tier: Tier, run: () => Finding): Omit<CheckReport, 'name'> {
    if (this.#failure !== null) return skipped('an earlier check failed');
    try {
      return run();
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      this.#failure = { fault: error.fault, tier };
      return { result: 'fail', detail: error.detail };
    }
  }
}
