import { concat } from '../../../lib/bytes.ts';
import { sha256, tag } from '../../../protocol/digests.ts';
import type { ChannelAccount, EvidenceAccount } from '../../accounts.ts';
import { evidenceAddress } from '../../addresses.ts';
import type { ProvenStep, SignedBody, Subject } from '../../escrow.ts';
import { headSignature } from '../signed.ts';
import {
  after,
  type Call,
  type Context,
  incinerator,
  instructionsSysvar,
  key,
  numbers,
  only,
  providerKey,
  systemProgram,
} from './context.ts';
import { bondOwner } from './job.ts';

/** Calls that keep evidence, challenge, answer and slash. */
export function proofInstructions(context: Context) {
  const { program, programId, wallet } = context;
  const { methods } = program;
  const self = key(wallet);
  const providerOf = (subject: Subject) =>
    providerKey(context, 'job' in subject ? subject.job.provider : subject.channel.provider);
  const slash = (subject: Subject) => ({
    ...receivers(subject),
    provider: providerOf(subject),
    incinerator,
    subject: accountsOf(subject),
  });
  return {
    createEvidence(
      channel: Pick<ChannelAccount, 'address' | 'peer'>,
      offer: Uint8Array,
      head: SignedBody,
    ): Promise<Call> {
      const jobId = sha256(concat(tag('qvac/job/1'), offer));
      const accounts = {
        rentPayer: self,
        channel: key(channel.address),
        evidence: key(evidenceAddress(programId, channel.address, jobId)),
        instructions: instructionsSysvar,
        systemProgram,
      };
      const args = { offer: Buffer.from(offer), head: headFields(head.body) };
      const create = methods.evidenceCreate(args).accountsStrict(accounts).instruction();
      return after([headSignature(channel.peer, head)], create);
    },
    closeEvidence(evidence: EvidenceAccount): Promise<Call> {
      const { challenge } = evidence.delivery;
      const isOpen = challenge !== null && challenge.open.length > 0;
      const accounts = {
        rentPayer: self,
        channel: key(evidence.channel),
        challenger: key(isOpen ? challenge.challenger : evidence.rentPayer),
        evidence: key(evidence.address),
      };
      return only(methods.evidenceClose().accountsStrict(accounts).instruction());
    },
    challenge(subject: Subject, positions: readonly number[]): Promise<Call> {
      const accounts = { challenger: self, subject: accountsOf(subject), systemProgram };
      return only(
        methods
          .challenge({ positions: [...positions] })
          .accountsStrict(accounts)
          .instruction(),
      );
    },
    answerChallenge(subject: Subject, step: ProvenStep): Promise<Call> {
      const args = { position: step.i, step: stepArgs(step), path: step.path.map(numbers) };
      const accounts = { provider: providerOf(subject), subject: accountsOf(subject) };
      return only(methods.answer(args).accountsStrict(accounts).instruction());
    },
    slashSilence(subject: Subject): Promise<Call> {
      return only(
        methods
          .slashSilence()
          .accountsStrict({ slash: slash(subject) })
          .instruction(),
      );
    },
    slashEquivocation(
      subject: Subject,
      [first, second]: readonly [SignedBody] | readonly [SignedBody, SignedBody],
    ): Promise<Call> {
      const { peer } = 'job' in subject ? subject.job : subject.evidence;
      const args = { first: numbers(first.body), second: second === undefined ? null : numbers(second.body) };
      const accounts = { slash: slash(subject), instructions: instructionsSysvar };
      const heads = second === undefined ? [first] : [first, second];
      return after(
        heads.map((head) => headSignature(peer, head)),
        methods.slashEquivocation(args).accountsStrict(accounts).instruction(),
      );
    },
    slashSampler(subject: Subject, step: ProvenStep): Promise<Call> {
      const args = { index: step.i, step: stepArgs(step), path: step.path.map(numbers) };
      return only(
        methods
          .slashSampler(args)
          .accountsStrict({ slash: slash(subject) })
          .instruction(),
      );
    },
  };
}

function accountsOf(subject: Subject) {
  return 'job' in subject
    ? { job: key(subject.job.address), evidence: null, channel: null }
    : { job: null, evidence: key(subject.evidence.address), channel: key(subject.channel.address) };
}

/** Who gets lamports of a slash. The bond in an evidence stays there until it is closed. */
function receivers(subject: Subject) {
  return 'job' in subject
    ? { funder: key(subject.job.client), challenger: key(bondOwner(subject.job)) }
    : { funder: key(subject.channel.payer), challenger: key(subject.channel.payer) };
}

function stepArgs({ token, prefix, salt, candidates, exact, zk }: ProvenStep) {
  return {
    token,
    prefix: numbers(prefix),
    candidates: candidates === null ? null : { salt: numbers(salt), list: candidates.map(([id, q]) => ({ id, q })) },
    exact: numbers(exact),
    // Left out where it is zero, so that the deepest proofs have room for a priority fee.
    zk: zk.some((byte) => byte !== 0) ? numbers(zk) : null,
  };
}

/** The fields of a head (protocol section 4.2), without job id and execution class, which the offer says. */
function headFields(body: Uint8Array) {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const digest = (at: number): number[] => numbers(body.subarray(at, at + 32));
  return {
    tokenCount: view.getUint32(33),
    root: digest(37),
    prefix: digest(69),
    textDigest: digest(101),
    inputDigest: digest(133),
    promptCount: view.getUint32(197),
    finish: view.getUint8(201),
  };
}
