import { concat } from '../../../lib/bytes.ts';
import { sha256, tag } from '../../../protocol/digests.ts';
import type { JobAccount } from '../../accounts.ts';
import { jobAddress } from '../../addresses.ts';
import type { JobKey, SignedBody } from '../../escrow.ts';
import { ackSignature } from '../signed.ts';
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

/** Calls about a job. */
export function jobInstructions(context: Context) {
  const { program, programId, wallet } = context;
  const { methods } = program;
  const self = key(wallet);
  const parties = (job: JobKey) => ({
    client: key(job.client),
    provider: providerKey(context, job.provider),
    job: key(job.address),
  });
  return {
    createJob(authority: Uint8Array, offer: Uint8Array): Promise<Call> {
      const jobId = sha256(concat(tag('qvac/job/1'), offer));
      const accounts = {
        client: self,
        provider: providerKey(context, authority),
        job: key(jobAddress(programId, wallet, jobId)),
        systemProgram,
      };
      return only(
        methods
          .jobCreate({ offer: Buffer.from(offer) })
          .accountsStrict(accounts)
          .instruction(),
      );
    },
    refundJob(job: JobKey): Promise<Call> {
      const accounts = { caller: self, client: key(job.client), job: key(job.address) };
      return only(methods.jobRefund().accountsStrict(accounts).instruction());
    },
    submitJob(job: JobKey & Pick<JobAccount, 'clientPeer'>, head: Uint8Array, ack: SignedBody): Promise<Call> {
      const { provider, job: address } = parties(job);
      const args = { head: numbers(head), ack: numbers(ack.body) };
      const accounts = { authority: self, provider, job: address, instructions: instructionsSysvar };
      return after([ackSignature(job.clientPeer, ack)], methods.jobSubmit(args).accountsStrict(accounts).instruction());
    },
    confirmJob(job: JobKey): Promise<Call> {
      return only(
        methods
          .jobConfirm()
          .accountsStrict({ caller: self, ...parties(job) })
          .instruction(),
      );
    },
    rejectJob(job: JobKey & Pick<JobAccount, 'submitted'>, verdictDigest: Uint8Array): Promise<Call> {
      const accounts = { ...parties(job), client: self, challenger: key(bondOwner(job)), incinerator };
      return only(
        methods
          .jobReject({ verdictDigest: numbers(verdictDigest) })
          .accountsStrict(accounts)
          .instruction(),
      );
    },
  };
}

/** Who gets the bond of an open challenge back; without one, the client. */
export function bondOwner({ client, submitted }: Pick<JobAccount, 'client' | 'submitted'>): Uint8Array {
  const challenge = submitted?.challenge ?? null;
  return challenge === null || challenge.open.length === 0 ? client : challenge.challenger;
}
