import type { SigningKey } from '../../../proofs/signing.ts';
import { consent } from '../signed.ts';
import {
  after,
  bn,
  type Call,
  type Context,
  instructionsSysvar,
  key,
  numbers,
  only,
  providerKey,
  systemProgram,
} from './context.ts';

/** Calls about a provider's account. */
export function providerInstructions(context: Context) {
  const { program, programId, wallet } = context;
  const own = () => ({ authority: key(wallet), provider: providerKey(context, wallet) });
  const bound = (node: SigningKey, binding: number) => [
    consent(node, { program: programId, authority: wallet, binding }),
  ];
  return {
    register(node: SigningKey, stake: bigint): Promise<Call> {
      const args = { peer: numbers(node.publicKey), stake: bn(stake) };
      const accounts = { ...own(), instructions: instructionsSysvar, systemProgram };
      return after(bound(node, 0), program.methods.providerRegister(args).accountsStrict(accounts).instruction());
    },
    /** @param binding one more than the account's */
    rotatePeer(node: SigningKey, binding: number): Promise<Call> {
      const args = { peer: numbers(node.publicKey) };
      const accounts = { ...own(), instructions: instructionsSysvar };
      return after(
        bound(node, binding),
        program.methods.providerRotatePeer(args).accountsStrict(accounts).instruction(),
      );
    },
    addStake(lamports: bigint, authority: Uint8Array): Promise<Call> {
      const accounts = { payer: key(wallet), provider: providerKey(context, authority), systemProgram };
      return only(
        program.methods
          .providerAddStake({ amount: bn(lamports) })
          .accountsStrict(accounts)
          .instruction(),
      );
    },
    withdraw(lamports: bigint): Promise<Call> {
      return only(
        program.methods
          .providerWithdraw({ amount: bn(lamports) })
          .accountsStrict(own())
          .instruction(),
      );
    },
  };
}
