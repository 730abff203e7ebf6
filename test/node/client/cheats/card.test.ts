import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../../src/errors.ts';
import type { Peer } from '../../../../src/node/peer/peer.ts';
import { signBody } from '../../../../src/proofs/signing.ts';
import { encodeCbor } from '../../../../src/protocol/codec.ts';
import { cardProtocol } from '../../../../src/protocol/constants.ts';
import { type Card, kinds } from '../../../../src/protocol/messages.ts';
import { startAsker } from '../../../support/asking.ts';
import { startProvider, type TestProvider } from '../../../support/market.ts';

/** Makes the provider send this, signed with its key, instead of its card. */
async function handOut(peer: Peer, card: Card): Promise<void> {
  // Encoded by hand, since the encoder refuses malformed cards.
  const signed = signBody(peer.key, kinds.card, null, encodeCbor(card));
  await peer.handle(cardProtocol, (stream) => stream.write({ t: 'card', ...signed }));
}

async function assertRefused(
  context: TestContext,
  change: (provider: TestProvider) => Card,
  why: RegExp,
): Promise<void> {
  const provider = await startProvider(context);
  const asker = await startAsker(context);
  const { address } = provider;
  await handOut(provider.peer, change(provider));
  await assert.rejects(
    asker.ask({ provider: address }),
    (error) => error instanceof QvacError && error.code === 'E_BAD_PEER' && why.test(error.message),
  );
  assert.ok(!asker.told.some((line) => line.startsWith('sending')), 'no prompt is sent');
}

test('an expired card is refused', (context) =>
  assertRefused(context, (provider) => ({ ...provider.card().card, expiresAt: Date.now() - 1 }), /expired/));

test('a card whose class is not the digest of its map is malformed', (context) =>
  assertRefused(context, (provider) => ({ ...provider.card().card, execClass: new Uint8Array(32) }), /malformed/));

test('a card of another network is refused', (context) =>
  assertRefused(context, (provider) => ({ ...provider.card().card, network: 'main' }), /network/));

test('a rolled-back card is refused, whichever peer sends it', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  const cheaper: Card = { ...provider.card().card, seq: provider.card().card.seq - 1 };
  await handOut(provider.peer, cheaper);
  await assert.rejects(
    asker.discovery.refresh(provider.peer.id),
    (error) => error instanceof QvacError && error.code === 'E_BAD_PEER' && /newer one was seen/.test(error.message),
  );
});
