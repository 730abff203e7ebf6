import { addressText, chainOfGenesis } from '../../escrow/addresses.ts';
import { escrowRules } from '../../escrow/constants.ts';
import type { ChannelKey, Escrow, EscrowWriter, Subject } from '../../escrow/escrow.ts';
import { refused } from '../../escrow/program/refusals.ts';
import { toHex } from '../../lib/bytes.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { toBase58 } from '../../protocol/base58.ts';
import { channelIdHex, jobIdOf } from '../../protocol/digests.ts';
import { channelIdOf } from '../../protocol/layouts/channel-terms.ts';
import { decodeChannelTerms } from '../../protocol/validate.ts';
import type { ChannelPurpose } from './purpose.ts';

/** Has `run` make a transaction, which goes to the page with its purpose. */
export type WithPurpose = <Value>(
  purpose: ChannelPurpose,
  options: AbortOptions | undefined,
  run: () => Promise<Value>,
) => Promise<Value>;

type ChannelCalls = Pick<
  EscrowWriter,
  | 'openChannel'
  | 'topUpChannel'
  | 'requestCloseChannel'
  | 'rejectChannel'
  | 'finishChannel'
  | 'createEvidence'
  | 'closeEvidence'
>;

/** The calls on channels that a browser wallet signs. */
export function channelCalls(escrow: Escrow, withPurpose: WithPurpose): ChannelCalls {
  const about = (channel: Pick<ChannelKey, 'address'>, options: AbortOptions | undefined) =>
    lookUp(escrow, channel.address, options);
  const evidenceRent = async (options: AbortOptions | undefined): Promise<string> =>
    (await escrow.rent(escrowRules.evidenceAccountBytes, options)).toString();
  return {
    async openChannel(terms, options) {
      const { payer: _, ...said } = decodeChannelTerms(terms.body);
      const rent = await escrow.rent(escrowRules.channelAccountBytes, options);
      const purpose = {
        kind: 'channel_open',
        channel: channelIdHex(channelIdOf(terms.body)),
        deposit: said.depositLamports.toString(),
        payee: addressText(said.authority),
        provider: peerIdOf(said.provider),
        client: peerIdOf(said.client),
        chain: chainOfGenesis(toBase58(said.chain)),
        expiresAt: Number(said.expiresAt) * 1_000,
        rent: rent.toString(),
      } as const;
      return withPurpose(purpose, options, () => escrow.openChannel(terms, options));
    },
    async topUpChannel(channel, lamports, options) {
      const { account, facts } = await about(channel, options);
      const deposit = (account.deposit + lamports).toString();
      const purpose = { kind: 'channel_top_up', amount: lamports.toString(), deposit, ...facts } as const;
      return withPurpose(purpose, options, () => escrow.topUpChannel(channel, lamports, options));
    },
    async requestCloseChannel(channel, options) {
      const { facts } = await about(channel, options);
      const purpose = { kind: 'channel_request_close', ...facts } as const;
      return withPurpose(purpose, options, () => escrow.requestCloseChannel(channel, options));
    },
    async rejectChannel(channel, digest, options) {
      const { account, facts } = await about(channel, options);
      const leftMs = (account.closing?.finishAt ?? 0) - (await escrow.now(options));
      const purpose = { kind: 'channel_reject', deadline: Date.now() + leftMs, ...facts } as const;
      return withPurpose(purpose, options, () => escrow.rejectChannel(channel, digest, options));
    },
    async finishChannel(channel, options) {
      const { facts } = await about(channel, options);
      return withPurpose({ kind: 'channel_finish', ...facts }, options, () => escrow.finishChannel(channel, options));
    },
    async createEvidence(channel, evidence, options) {
      const { facts } = await about(channel, options);
      const job = jobIdOf(evidence.offer);
      const purpose = { kind: 'evidence_create', job, rent: await evidenceRent(options), ...facts } as const;
      return withPurpose(purpose, options, () => escrow.createEvidence(channel, evidence, options));
    },
    async closeEvidence(evidence, options) {
      const { jobId, peer } = evidence;
      const purpose = { kind: 'evidence_close', job: toHex(jobId), provider: peerIdOf(peer) } as const;
      return withPurpose(purpose, options, () => escrow.closeEvidence(evidence, options));
    },
  };
}

/** Has `run` prove a fault of an answer in a channel. */
export async function slashInChannel<Value>(
  escrow: Escrow,
  { evidence, channel }: Extract<Subject, { readonly evidence: unknown }>,
  withPurpose: WithPurpose,
  options: AbortOptions | undefined,
  run: () => Promise<Value>,
): Promise<Value> {
  const { facts } = await lookUp(escrow, channel.address, options);
  return withPurpose({ kind: 'channel_slash', job: toHex(evidence.jobId), ...facts }, options, run);
}

/** A channel's account, and what every transaction says about it. @throws RefusedError if it has ended */
async function lookUp(escrow: Escrow, address: Uint8Array, options: AbortOptions | undefined) {
  const account = await escrow.channel(address, options);
  if (account === null) throw refused('NoAccount');
  const { id, provider, peer } = account;
  return { account, facts: { channel: toHex(id), payee: addressText(provider), provider: peerIdOf(peer) } };
}
