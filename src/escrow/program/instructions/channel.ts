import { concat } from '../../../lib/bytes.ts';
import { sha256, tag } from '../../../protocol/digests.ts';
import type { ChannelAccount } from '../../accounts.ts';
import { channelAddress } from '../../addresses.ts';
import type { ChannelKey, SignedBody } from '../../escrow.ts';
import { ackSignature, termsSignature } from '../signed.ts';
import {
  after,
  bn,
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

// Where the terms name these (protocol section 9).
const authorityAt = 97;
const peerAt = 129;

type Acknowledged = ChannelKey & Pick<ChannelAccount, 'clientPeer'>;

/** Calls about a channel. */
export function channelInstructions(context: Context) {
  const { program, programId, wallet } = context;
  const { methods } = program;
  const self = key(wallet);
  const pair = (channel: ChannelKey) => ({
    provider: providerKey(context, channel.provider),
    channel: key(channel.address),
  });
  const ackArgs = (ack: SignedBody) => ({ ack: numbers(ack.body) });
  return {
    openChannel(terms: SignedBody): Promise<Call> {
      const [authority, peer] = [authorityAt, peerAt].map((at) => terms.body.subarray(at, at + 32)) as [
        Uint8Array,
        Uint8Array,
      ];
      const id = sha256(concat(tag('qvac/chanid/1'), terms.body));
      const accounts = {
        payer: self,
        provider: providerKey(context, authority),
        channel: key(channelAddress(programId, id)),
        instructions: instructionsSysvar,
        systemProgram,
      };
      const open = methods
        .channelOpen({ terms: numbers(terms.body) })
        .accountsStrict(accounts)
        .instruction();
      return after([termsSignature(peer, terms)], open);
    },
    topUpChannel(channel: ChannelKey, lamports: bigint): Promise<Call> {
      const accounts = { payer: self, channel: key(channel.address), systemProgram };
      return only(
        methods
          .channelTopUp({ amount: bn(lamports) })
          .accountsStrict(accounts)
          .instruction(),
      );
    },
    settleChannel(channel: Acknowledged, ack: SignedBody): Promise<Call> {
      const accounts = { ...pair(channel), instructions: instructionsSysvar };
      const settle = methods.channelSettle(ackArgs(ack)).accountsStrict(accounts).instruction();
      return after([ackSignature(channel.clientPeer, ack)], settle);
    },
    closeChannel(channel: Acknowledged, ack: SignedBody): Promise<Call> {
      const accounts = {
        authority: self,
        payer: key(channel.payer),
        ...pair(channel),
        instructions: instructionsSysvar,
      };
      const close = methods.channelClose(ackArgs(ack)).accountsStrict(accounts).instruction();
      return after([ackSignature(channel.clientPeer, ack)], close);
    },
    requestCloseChannel(channel: ChannelKey): Promise<Call> {
      const accounts = { caller: self, channel: key(channel.address) };
      return only(methods.channelRequestClose().accountsStrict(accounts).instruction());
    },
    rejectChannel(channel: ChannelKey, verdictDigest: Uint8Array): Promise<Call> {
      const accounts = { payer: self, channel: key(channel.address) };
      const args = { verdictDigest: numbers(verdictDigest) };
      return only(methods.channelReject(args).accountsStrict(accounts).instruction());
    },
    finishChannel(channel: ChannelKey): Promise<Call> {
      const accounts = { payer: key(channel.payer), ...pair(channel), incinerator };
      return only(methods.channelFinish().accountsStrict(accounts).instruction());
    },
  };
}
