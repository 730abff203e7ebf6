import type { FaultCode } from '../protocol/messages.ts';

/** A provider broke a rule of section 4 in a way that has a code (section 5). */
export class FaultError extends Error {
  readonly fault: FaultCode;
  /** What was found, for people; never content. */
  readonly detail: string;

  constructor(fault: FaultCode, detail: string) {
    super(`${fault}: ${detail}`);
    this.name = 'FaultError';
    this.fault = fault;
    this.detail = detail;
  }
}

/** Parts of a receipt that do not belong together: nothing that proves a fault of the provider (section 5). */
export function badReceipt(detail: string): FaultError {
  return new FaultError('bad-receipt', detail);
}
