import { SendTransactionError } from '@solana/web3.js';
import idl from '../../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import { QvacError } from '../../errors.ts';
import { type Refusal, RefusedError } from '../refusal.ts';

/** Why the program refused, in our words, and what to do. This is the only translation. */
const words: Readonly<Record<Refusal, readonly [message: string, hint?: string]>> = {
  StakeTooLow: [
    "the provider's free stake does not cover this",
    'the provider adds to it with qvac provider stake; or try again once its other jobs have ended',
  ],
  StakeLocked: ['submitted jobs or open channels lock that stake', 'qvac provider status shows what is free'],
  AmountZero: ['the amount must be above zero'],
  AmountMismatch: ["the amount is not the price of the offer's tokens"],
  MathOverflow: ['the amount or time is too large'],
  InvariantViolated: ['the program found an account that breaks its own rules', 'report this, with the transaction'],
  Unauthorized: ['this wallet may not do that', 'use the wallet that the job, channel or provider belongs to'],
  InvalidStatus: ['the state of the job or channel does not allow that', 'qvac jobs ls shows what comes next'],
  MissingEd25519Instruction: ["the node's signature is missing from the transaction"],
  MalformedEd25519Instruction: ["the node's signatures in the transaction are not the expected ones"],
  SignerMismatch: ['another node signed that'],
  MessageMismatch: ['the signature belongs to another job or message'],
  MalformedOffer: ['that is not an offer of version 1'],
  OfferMismatch: ['the offer is for another wallet, channel or node, or for another kind of payment'],
  OfferExpired: ['the offer has expired', 'ask again'],
  InvalidDeliverWithin: ['the time for the delivery must be 60 to 86,400 s'],
  PeerMismatch: ["the provider's account holds another node than the one that gave the quote", 'ask again'],
  DeliveryPending: ['the provider can still submit the job', 'qvac jobs ls shows until when'],
  DeadlinePassed: ['the time in which the job could be submitted is over'],
  MalformedHead: ['that is not a head of version 1'],
  HeadMismatch: ['the head is of another job'],
  TooManyTokens: ['the answer has more tokens than the job allows'],
  PromptTooLong: ['the prompt has more tokens than the offer covers'],
  InvalidFinish: ['the answer cannot end this way'],
  MalformedAck: ['that is not an acknowledgement of version 1'],
  AckMismatch: ['the acknowledgement is for another job or channel'],
  AckBeyondAnswer: ['the acknowledgement names more tokens than the answer has'],
  AckBeyondDeposit: ['the acknowledged totals are above the deposit'],
  AckStale: ['the acknowledged totals are below those that the chain has'],
  ObjectionPossible: ['closing at once needs an acknowledgement without objection (stop 2)'],
  CheckWindowOpen: ['the client can still object', 'qvac jobs ls shows until when'],
  CheckWindowClosed: ["the client's time to object is over"],
  MalformedTerms: ['those are not channel terms of version 1'],
  TermsMismatch: ['the terms are for another program, wallet, provider or chain'],
  TermsExpired: ['the terms have expired', 'ask the provider for new ones'],
  TermsTooLong: ['the terms stay valid for more than 10 minutes'],
  TermsStillValid: ['a channel can be closed only once its terms have expired', 'try again in 2 minutes'],
  CloseWindowOpen: ["the payer's 5 hours to object are not over"],
  CloseWindowClosed: ["the payer's 5 hours to object are over"],
  ChannelExists: ["the evidence's channel has not ended"],
  SubjectMismatch: ['the evidence and the channel do not belong together'],
  NotChallengeable: ['this answer cannot be challenged: its mode opens nothing, or it scores more than 16,384 tokens'],
  InvalidPositions: ["a challenge names one to three different positions among the answer's tokens"],
  AlreadyChallenged: ['this answer was challenged before'],
  TooManyChallenges: ['the channel had its three challenges'],
  ChallengeOpen: ['the provider has not answered a challenge yet', 'wait until it is answered or due'],
  PositionNotOpen: ['no challenge waits for that position'],
  ChallengeNotDue: ['the provider can still answer the challenge, or there is none'],
  PathTooLong: ['the proof is longer than any proof can be'],
  RootMismatch: ['the step is not part of what was delivered'],
  CandidatesMissing: ['the step must show its candidates, and in mode zk must not'],
  TokenMismatch: ['the token is not the one that the seed selects'],
  TokenFollows: ['the token is the one that the seed selects: nothing to slash'],
  DrawsNotJudgeable: ["a program cannot judge this answer's draws"],
  HeadsAgree: ['an honest provider can have signed both heads: nothing to slash'],
  NoAccount: [
    'that account does not exist: the job or channel has ended or was never made, or the provider is not registered',
    'qvac jobs ls, qvac provider status',
  ],
  AccountExists: ['it exists already'],
  Other: ['the chain refused the transaction'],
};

/** Anchor's own names that mean one of ours. */
const anchorNames: Readonly<Record<string, Refusal>> = {
  AccountNotInitialized: 'NoAccount',
  AccountOwnedByWrongProgram: 'NoAccount',
  AccountDiscriminatorMismatch: 'NoAccount',
  ConstraintHasOne: 'Unauthorized',
  ConstraintSeeds: 'Unauthorized',
  ConstraintAddress: 'Unauthorized',
};

/** The same by number, for endpoints that leave the log out. Lower numbers belong to the program that was called. */
const refusalsByNumber: ReadonlyMap<number, Refusal> = new Map([
  ...idl.errors.map(({ code, name }) => [code, name as Refusal] as const),
  [2001, 'Unauthorized'],
  [2006, 'Unauthorized'],
  [2012, 'Unauthorized'],
  [3002, 'NoAccount'],
  [3007, 'NoAccount'],
  [3012, 'NoAccount'],
]);

/** Of `custom program error: 0x1774` or `{"Custom":6004}`. */
function refusalNumbered(text: string): Refusal | null {
  const [, hex, decimal] = /custom program error: 0x([0-9a-f]{1,8})|"Custom":\s*(\d{1,10})/i.exec(text) ?? [];
  return refusalsByNumber.get(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)) ?? null;
}

export function refused(refusal: Refusal, cause?: unknown): RefusedError {
  const [message, hint] = words[refusal];
  return new RefusedError(refusal, message, { hint, cause });
}

function outOfFunds(cause: unknown): QvacError {
  return new QvacError('E_FUNDS', 'the wallet holds too little for this', {
    hint: 'qvac wallet balance; qvac wallet fund where the network gives lamports away',
    cause,
  });
}

/**
 * What a failed transaction means, from the runtime's error and the program's log.
 * @param text the runtime's error, however it is written
 */
export function refusalOf(text: string, logs: readonly string[], cause?: unknown): QvacError {
  for (const line of logs) {
    const name = /Error Code: (\w+)\./.exec(line)?.[1];
    if (name === undefined) continue;
    const refusal = name in words ? (name as Refusal) : anchorNames[name];
    return refused(refusal ?? 'Other', cause ?? new Error(line));
  }
  const all = `${text}\n${logs.join('\n')}`;
  if (/already in use/.test(all)) return refused('AccountExists', cause);
  const numbered = refusalNumbered(text);
  if (numbered !== null) return refused(numbered, cause ?? new Error(all));
  if (
    /insufficient lamports|InsufficientFunds|insufficient funds|AccountNotFound|no record of a prior credit/i.test(all)
  )
    return outOfFunds(cause);
  return refused('Other', cause ?? new Error(all));
}

/** Whether the transaction was refused for its age alone, so that it can be signed anew. */
export function isStaleBlockhash(error: unknown): boolean {
  return error instanceof Error && /blockhash not found/i.test(error.message);
}

/** Whether the very transaction was executed before. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof Error && /already been processed|AlreadyProcessed/i.test(error.message);
}

/** How a node's words about a transaction begin that it has looked at and not sent. */
const notSent =
  /^(transaction (simulation|signature|precompile)|invalid (transaction|params)|failed to deserialize|base\d\d )/i;

/**
 * The refusal in what the RPC answered to a transaction, or null if the answer is about something else: then the
 * transaction may have been sent.
 */
export function refusalInAnswer(error: unknown): QvacError | null {
  if (!(error instanceof SendTransactionError) || !notSent.test(error.transactionError.message)) return null;
  return refusalOf(error.transactionError.message, error.logs ?? [], error);
}
