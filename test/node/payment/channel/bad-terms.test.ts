import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { proposeChannel, type WantedTerms } from '../../../../src/node/payment/channel/frames.ts';
import type { Peer } from '../../../../src/node/peer/peer.ts';
import { type SigningKey, signBody, signingKeyFromSeed } from '../../../../src/proofs/signing.ts';
import { channelProtocol } from '../../../../src/protocol/constants.ts';
import type { ChannelTerms } from '../../../../src/protocol/layouts/channel-terms.ts';
import { kinds, type Signed } from '../../../../src/protocol/messages.ts';
import { encodeChannelTerms } from '../../../../src/protocol/validate.ts';
import { addressOf, startPeer } from '../../../support/peers.ts';

// What a client does with terms that are not those that it asked for: it deposits nothing.

const now = 1_900_000_000_000;
const seconds = BigInt(now / 1_000);

/** Proposes a channel to a node that answers with what `make` makes of honest terms. */
async function propose(
  context: TestContext,
  make: (terms: ChannelTerms, provider: Peer) => Signed | Promise<Signed>,
): Promise<Signed> {
  const [provider, client] = [
    await startPeer(context, { role: 'provider' }),
    await startPeer(context, { role: 'client' }),
  ];
  const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
  const wanted: WantedTerms = {
    chain: key(1),
    program: key(2),
    payer: key(3),
    authority: key(4),
    provider: provider.key.publicKey,
    client: client.key.publicKey,
    depositLamports: 1_000_000n,
    windowLamports: 100_000n,
    expiresAt: seconds + 3_600n,
  };
  const honest: ChannelTerms = { version: 1, ...wanted, validUntil: seconds + 60n, nonce: new Uint8Array(16) };
  await provider.handle(channelProtocol, async (stream) => {
    await stream.read(['propose']);
    await stream.write({ t: 'terms', ...(await make(honest, provider)) });
  });
  return proposeChannel(client, addressOf(provider) as never, wanted, now);
}

const signed = (terms: ChannelTerms, { key }: { readonly key: SigningKey }): Signed =>
  signBody(key, kinds.channel, null, encodeChannelTerms(terms));

test('terms that say what was asked for are taken', async (context) => {
  const { body } = await propose(context, signed);
  assert.equal(body.length, 241);
});

test('terms that nobody signed, or another node, are refused', async (context) => {
  const other = signingKeyFromSeed(new Uint8Array(32).fill(5));
  for (const make of [
    (terms: ChannelTerms, provider: Peer) => ({ ...signed(terms, provider), sig: new Uint8Array(64) }),
    (terms: ChannelTerms) => signed(terms, { key: other }),
    (terms: ChannelTerms, { key }: Peer) => signBody(key, kinds.quote, null, encodeChannelTerms(terms)),
  ])
    await assert.rejects(propose(context, make), {
      code: 'E_BAD_PEER',
      message: /their signature is not the provider’s/,
    });
});

test('terms for another chain, program, wallet or node, with other amounts or times are refused', async (context) => {
  const foreign = new Uint8Array(32).fill(9);
  const changes: readonly (readonly [change: Partial<ChannelTerms>, why: RegExp])[] = [
    [{ chain: foreign }, /they name another chain/],
    [{ program: foreign }, /they name another program/],
    [{ payer: foreign }, /they name another payer/],
    [{ authority: foreign }, /they name another authority/],
    [{ provider: foreign }, /they name another provider/],
    [{ client: foreign }, /they name another client/],
    [{ depositLamports: 1_000_001n }, /their depositLamports is 1000001 instead of 1000000/],
    [{ windowLamports: 99_999n }, /their windowLamports is 99999 instead of 100000/],
    [{ expiresAt: seconds + 3_601n }, /their expiresAt is/],
    [{ validUntil: seconds }, /they have expired/],
    // Until then the channel could not be closed.
    [{ validUntil: seconds + 121n }, /they are valid for more than 120 s/],
  ];
  for (const [change, message] of changes)
    await assert.rejects(
      propose(context, (terms, provider) => signed({ ...terms, ...change }, provider)),
      { code: 'E_BAD_PEER', message },
    );
  await assert.rejects(
    propose(context, (_terms, { key }) => signBody(key, kinds.channel, null, new Uint8Array(241))),
    { code: 'E_BAD_PEER' },
  );
});
