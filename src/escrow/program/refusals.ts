import { SendTransactionError } from '@solana/web3.js';
import idl from '../../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import { QvacError } from '../../errors.ts';
import { type Refusal, RefusedError } from '../escrow.ts';

/** Why the program refused, in our words, and what to do. This is the only translation. */
const words: Readonly<Record<Refusal, readonly [message: string, hint?: string]>> = {
  StakeTooLow: [
    "the provider's free stake does not cover this job",
    'qvac provider stake adds to it; or wait until other jobs are settled',
  ],
  StakeLocked: [
    'that stake is locked by jobs that are not settled yet',
    'try again when they are: qvac provider status',
  ],
  ProviderInactive: ['the provider has less than the minimum stake, or is withdrawing it', 'choose another provider'],
  AmountZero: ['the amount must be above zero'],
  InvalidStatus: ['the state of the job does not allow that', 'qvac jobs ls says what comes next'],
  TimeoutNotReached: ['the provider may still submit: no refund before 10 minutes are over', 'qvac jobs ls says when'],
  DeadlinePassed: ['the 10 minutes in which the job could be submitted are over'],
  ConfirmWindowOpen: [
    'the client may still object: no claim before 5 minutes after the submit',
    'qvac jobs ls says when',
  ],
  ConfirmWindowClosed: ['the 5 minutes in which the job could be rejected are over'],
  Unauthorized: ['this wallet has no right to do that', 'use the wallet that the job or the provider belongs to'],
  MathOverflow: ['the amount is too large'],
  MissingEd25519Instruction: ["the node's signature is missing from the transaction"],
  MalformedEd25519Instruction: ["the node's signatures in the transaction are not the expected ones"],
  SignerMismatch: ['that was signed by another node'],
  MessageMismatch: ['the signature belongs to another job or message'],
  SameHead: ['the signed head is the one that was submitted: nothing to slash'],
  PathTooLong: ['the proof is longer than any proof can be'],
  RootMismatch: ['the step is not part of what was submitted'],
  TokenFollows: ['the token is the one that the seed selects: no fraud'],
  TooManyTokens: ['the answer has more tokens than the job allows'],
  CooldownActive: ['the stake is still cooling down', 'qvac provider status says until when'],
  CancelMismatch: ['a cancelled answer needs the signed cancel, for no more tokens than it has'],
  PeerMismatch: [
    'the provider is registered with another node than the one that gave the quote',
    'ask again: its node may have changed',
  ],
  InvalidSampler: ["the sampler's settings are out of range"],
  InvalidFinish: ['the way the answer ended does not fit the number of its tokens'],
  MalformedHead: ['that is no head'],
  HeadNotFinal: ['the head is not final'],
  HeadsAgree: ['an honest provider can have signed both heads: nothing to slash'],
  JobReplaced: ['the job was settled, and this is another one under the same id'],
  NoAccount: [
    'there is no such account: the job is settled or was never created, or the provider is not registered',
    'qvac jobs ls, qvac provider status',
  ],
  AccountExists: ['it exists already'],
  Other: ['the chain refused the transaction'],
};

/** Anchor's own names for what comes down to one of ours. */
const anchorNames: Readonly<Record<string, Refusal>> = {
  AccountNotInitialized: 'NoAccount',
  AccountOwnedByWrongProgram: 'NoAccount',
  AccountDiscriminatorMismatch: 'NoAccount',
  ConstraintHasOne: 'Unauthorized',
  ConstraintSeeds: 'Unauthorized',
  ConstraintAddress: 'Unauthorized',
};

/** The same by number, for endpoints that leave the log out. Lower ones are those of whichever program was called. */
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

/** The refusal in what the RPC answered to a transaction, or null where the answer is about something else. */
export function refusalInAnswer(error: unknown): QvacError | null {
  if (!(error instanceof SendTransactionError)) return null;
  return refusalOf(error.transactionError.message, error.logs ?? [], error);
}
