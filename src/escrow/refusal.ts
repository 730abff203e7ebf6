import { QvacError } from '../errors.ts';

/** Why the program refused, by its own name, and what comes down to the same. */
export type Refusal =
  | 'StakeTooLow'
  | 'StakeLocked'
  | 'AmountZero'
  | 'AmountMismatch'
  | 'MathOverflow'
  | 'InvariantViolated'
  | 'Unauthorized'
  | 'InvalidStatus'
  | 'MissingEd25519Instruction'
  | 'MalformedEd25519Instruction'
  | 'SignerMismatch'
  | 'MessageMismatch'
  | 'MalformedOffer'
  | 'OfferMismatch'
  | 'OfferExpired'
  | 'InvalidDeliverWithin'
  | 'PeerMismatch'
  | 'DeliveryPending'
  | 'DeadlinePassed'
  | 'MalformedHead'
  | 'HeadMismatch'
  | 'TooManyTokens'
  | 'PromptTooLong'
  | 'InvalidFinish'
  | 'MalformedAck'
  | 'AckMismatch'
  | 'AckBeyondAnswer'
  | 'AckBeyondDeposit'
  | 'AckStale'
  | 'ObjectionPossible'
  | 'CheckWindowOpen'
  | 'CheckWindowClosed'
  | 'MalformedTerms'
  | 'TermsMismatch'
  | 'TermsExpired'
  | 'TermsTooLong'
  | 'TermsStillValid'
  | 'CloseWindowOpen'
  | 'CloseWindowClosed'
  | 'ChannelExists'
  | 'SubjectMismatch'
  | 'NotChallengeable'
  | 'InvalidPositions'
  | 'AlreadyChallenged'
  | 'TooManyChallenges'
  | 'ChallengeOpen'
  | 'PositionNotOpen'
  | 'ChallengeNotDue'
  | 'PathTooLong'
  | 'RootMismatch'
  | 'CandidatesMissing'
  | 'TokenMismatch'
  | 'TokenFollows'
  | 'DrawsNotJudgeable'
  | 'HeadsAgree'
  /** The account does not exist: the job or channel has ended, or the provider is not registered. */
  | 'NoAccount'
  /** The account exists already. */
  | 'AccountExists'
  /** Anything else that ended the transaction. */
  | 'Other';

/** The program refused a transaction, which changed nothing. */
export class RefusedError extends QvacError {
  readonly refusal: Refusal;

  constructor(
    refusal: Refusal,
    message: string,
    init: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super('E_ESCROW', message, { ...init, details: { refusal } });
    this.name = 'RefusedError';
    this.refusal = refusal;
  }
}
