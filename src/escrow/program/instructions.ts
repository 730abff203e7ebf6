import type { Program } from '@coral-xyz/anchor';
import { PublicKey, SYSVAR_INSTRUCTIONS_PUBKEY, SystemProgram, type TransactionInstruction } from '@solana/web3.js';
import BN from 'bn.js';
import type { Escrow as EscrowIdl } from '../../../programs/escrow/artifacts/escrow.ts';
import { concat } from '../../lib/bytes.ts';
import type { SigningKey } from '../../proofs/signing.ts';
import { sha256, tag } from '../../protocol/digests.ts';
import { kinds, type OpenedStep, type Signed } from '../../protocol/messages.ts';
import { encodeCancel } from '../../protocol/validate.ts';
import { providerAddress } from '../addresses.ts';
import type { Delivery, JobKey, JobTerms } from '../escrow.ts';
import { verifySignatures } from './ed25519.ts';

/** What one transaction does: the program's instruction, after the verification of what nodes signed for it. */
export interface Call {
  readonly instructions: readonly TransactionInstruction[];
  /** Signatures that the network verifies and charges for, besides the wallet's. */
  readonly nodeSignatures: number;
}

const incinerator = new PublicKey('1nc1nerator11111111111111111111111111111111');
const numbers = (bytes: Uint8Array): number[] => [...bytes];
const bn = (value: bigint): BN => new BN(value.toString());
const key = (bytes: Uint8Array): PublicKey => new PublicKey(bytes);

/** The program's instructions, one method for each, by `wallet`. */
export type Instructions = ReturnType<typeof createInstructions>;

export function createInstructions(program: Program<EscrowIdl>, wallet: Uint8Array) {
  const { methods } = program;
  const self = key(wallet);
  const providerOf = (authority: Uint8Array): PublicKey => key(providerAddress(program.programId.toBytes(), authority));
  const parties = (job: JobKey) => ({
    client: key(job.client),
    provider: providerOf(job.provider),
    job: key(job.address),
  });
  const fault = (job: JobKey) => ({ ...parties(job), incinerator });
  const own = () => ({ authority: self, provider: providerOf(wallet) });
  const only = async (instruction: Promise<TransactionInstruction>): Promise<Call> => ({
    instructions: [await instruction],
    nodeSignatures: 0,
  });
  const after = async (
    signatures: Parameters<typeof verifySignatures>[0],
    instruction: Promise<TransactionInstruction>,
  ): Promise<Call> => ({
    instructions: [verifySignatures(signatures), await instruction],
    nodeSignatures: signatures.length,
  });

  return {
    register(node: SigningKey, stake: bigint): Promise<Call> {
      const accounts = { ...own(), instructions: SYSVAR_INSTRUCTIONS_PUBKEY, systemProgram: SystemProgram.programId };
      return after(
        [consent(node, wallet)],
        methods
          .providerRegister({ peer: numbers(node.publicKey), stake: bn(stake) })
          .accountsStrict(accounts)
          .instruction(),
      );
    },
    rotatePeer(node: SigningKey): Promise<Call> {
      const accounts = { ...own(), instructions: SYSVAR_INSTRUCTIONS_PUBKEY };
      return after(
        [consent(node, wallet)],
        methods
          .providerRotatePeer({ peer: numbers(node.publicKey) })
          .accountsStrict(accounts)
          .instruction(),
      );
    },
    addStake(amount: bigint, authority: Uint8Array): Promise<Call> {
      const accounts = { payer: self, provider: providerOf(authority), systemProgram: SystemProgram.programId };
      return only(
        methods
          .providerAddStake({ amount: bn(amount) })
          .accountsStrict(accounts)
          .instruction(),
      );
    },
    requestUnstake(amount: bigint): Promise<Call> {
      return only(
        methods
          .providerRequestUnstake({ amount: bn(amount) })
          .accountsStrict(own())
          .instruction(),
      );
    },
    withdraw(): Promise<Call> {
      return only(methods.providerWithdraw().accountsStrict(own()).instruction());
    },
    createJob(authority: Uint8Array, job: Uint8Array, terms: JobTerms): Promise<Call> {
      const args = {
        jobId: numbers(terms.jobId),
        peer: numbers(terms.peer),
        clientPeer: numbers(terms.clientPeer),
        priceIn: bn(terms.priceIn),
        priceOut: bn(terms.priceOut),
        amount: bn(terms.amount),
        seed: numbers(terms.seed),
        sampler: terms.sampler,
        maxTokens: terms.maxTokens,
      };
      const accounts = {
        client: self,
        provider: providerOf(authority),
        job: key(job),
        systemProgram: SystemProgram.programId,
      };
      return only(methods.jobCreate(args).accountsStrict(accounts).instruction());
    },
    declineJob(job: JobKey): Promise<Call> {
      return only(
        methods
          .jobDecline()
          .accountsStrict({ authority: self, client: key(job.client), job: key(job.address) })
          .instruction(),
      );
    },
    submitJob(
      job: JobKey & { readonly number: bigint; readonly clientPeer: Uint8Array },
      delivery: Delivery,
    ): Promise<Call> {
      const { cancel, root, textDigest, promptCount, tokenCount, finish } = delivery;
      const args = {
        number: bn(job.number),
        delivery: {
          root: numbers(root),
          textDigest: numbers(textDigest),
          promptCount,
          tokenCount,
          finish,
          cancelN: cancel?.n ?? null,
        },
      };
      const accounts = {
        authority: self,
        provider: providerOf(job.provider),
        job: key(job.address),
        instructions: SYSVAR_INSTRUCTIONS_PUBKEY,
      };
      const submit = methods.jobSubmit(args).accountsStrict(accounts).instruction();
      if (cancel === null) return only(submit);
      const body = encodeCancel({ v: 1, jobId: job.jobId, n: cancel.n });
      return after(
        [{ key: job.clientPeer, message: message(kinds.cancel, job.jobId, body), signature: cancel.sig }],
        submit,
      );
    },
    confirmJob(job: JobKey): Promise<Call> {
      return only(
        methods
          .jobConfirm()
          .accountsStrict({ ...parties(job), authority: key(job.provider) })
          .instruction(),
      );
    },
    claimJob(job: JobKey): Promise<Call> {
      return only(
        methods
          .jobClaim()
          .accountsStrict({ ...parties(job), authority: key(job.provider) })
          .instruction(),
      );
    },
    rejectJob(job: JobKey, verdictDigest: Uint8Array): Promise<Call> {
      return only(
        methods
          .jobReject({ verdictDigest: numbers(verdictDigest) })
          .accountsStrict(fault(job))
          .instruction(),
      );
    },
    refundJob(job: JobKey): Promise<Call> {
      return only(methods.jobRefund().accountsStrict(parties(job)).instruction());
    },
    slashEquivocation(
      job: JobKey & { readonly peer: Uint8Array },
      [first, second]: readonly [Signed, Signed],
    ): Promise<Call> {
      const args = { first: numbers(first.body), second: numbers(second.body) };
      const slash = methods
        .slashEquivocation(args)
        .accountsStrict({ ...fault(job), instructions: SYSVAR_INSTRUCTIONS_PUBKEY })
        .instruction();
      return after(
        [first, second].map((head) => headSignature(job, head)),
        slash,
      );
    },
    slashHeadMismatch(job: JobKey & { readonly peer: Uint8Array }, head: Signed): Promise<Call> {
      const slash = methods
        .slashHeadMismatch({ head: numbers(head.body) })
        .accountsStrict({ ...fault(job), instructions: SYSVAR_INSTRUCTIONS_PUBKEY })
        .instruction();
      return after([headSignature(job, head)], slash);
    },
    slashSampler(job: JobKey, { i, token, prefix, salt, candidates, exact, zk, path }: OpenedStep): Promise<Call> {
      const step = {
        token,
        prefix: numbers(prefix),
        salt: numbers(salt),
        candidates: candidates.map(([id, q]) => ({ id, q })),
        exact: numbers(exact),
        // Left out where it is zero: the deepest proof just fits into a transaction.
        zk: zk.some((byte) => byte !== 0) ? numbers(zk) : null,
      };
      return only(
        methods
          .slashSampler({ index: i, step, path: path.map(numbers) })
          .accountsStrict(fault(job))
          .instruction(),
      );
    },
  };
}

/** The 80 bytes of protocol section 1, for a job or, in its place, an authority. */
function message(kind: string, context: Uint8Array, body: Uint8Array): Uint8Array {
  return concat(tag(kind), context, sha256(body));
}

/** The node's word that it works for this authority. */
function consent(node: SigningKey, authority: Uint8Array) {
  const signed = message('qvac/register/1', authority, node.publicKey);
  return { key: node.publicKey, message: signed, signature: node.sign(signed) };
}

function headSignature(job: JobKey & { readonly peer: Uint8Array }, head: Signed) {
  return { key: job.peer, message: message(kinds.head, job.jobId, head.body), signature: head.sig };
}
