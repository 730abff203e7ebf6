import { circuitStatus } from './messages.ts';

const words: Readonly<Record<number, string>> = {
  [circuitStatus.reservationRefused]: 'the relay takes no reservation of this node',
  [circuitStatus.resourceLimitExceeded]: 'the relay is at one of its limits',
  [circuitStatus.permissionDenied]: 'the relay does not allow it',
  [circuitStatus.connectionFailed]: 'the relay does not reach that peer',
  [circuitStatus.noReservation]: 'that peer is not connected to the relay now',
  [circuitStatus.malformedMessage]: 'the relay did not understand the request',
  [circuitStatus.unexpectedMessage]: 'the relay did not expect the request',
};

/** A relay refused, with its status. */
export class CircuitError extends Error {
  override readonly name = 'CircuitError';
  /** A number of `circuitStatus`, or one that this version does not know. */
  readonly status: number;

  constructor(status: number) {
    super(words[status] ?? `the relay refused with status ${status}`);
    this.status = status;
  }
}
