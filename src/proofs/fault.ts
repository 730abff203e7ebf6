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
