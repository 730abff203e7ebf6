import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { createCardIssuer } from '../../../src/node/cards/card-issuer.ts';
import { type CardChecks, fetchCard, verifyCard } from '../../../src/node/cards/cards.ts';
import { type Identity, identityFromSeed } from '../../../src/node/home/identity.ts';
import { signBody } from '../../../src/proofs/signing.ts';
import { encodeCbor } from '../../../src/protocol/codec.ts';
import { cardProtocol } from '../../../src/protocol/constants.ts';
import { execClassOf } from '../../../src/protocol/exec-class.ts';
import { type Card, kinds, type Signed } from '../../../src/protocol/messages.ts';
import { temporaryHome } from '../../support/home.ts';
import { startOfferer, testContent, testExec, testModel } from '../../support/offers.ts';
import { addressOf, startPeer } from '../../support/peers.ts';

const now = 1_000_000;

function cardOf(identity: Identity, over: Partial<Card> = {}): Card {
  const { models, compute, exec, pay } = testContent([testModel('alpha')]);
  return {
    ...{
      v: 1,
      peer: identity.signingKey.publicKey,
      role: 'provider',
      seq: 5,
      issuedAt: now,
      expiresAt: now + 600_000,
      addrs: [],
    },
    ...{ models, compute, exec, execClass: execClassOf(testExec), pay, network: 'test', ...over },
  };
}

/** Signs whatever it is given, also what `encodeCard` would refuse. */
function sign(identity: Identity, card: unknown, kind: (typeof kinds)[keyof typeof kinds] = kinds.card): Signed {
  return signBody(identity.signingKey, kind, null, encodeCbor(card));
}

const identity = await identityFromSeed(new Uint8Array(32).fill(1));
const other = await identityFromSeed(new Uint8Array(32).fill(2));
const checks: CardChecks = { peer: identity.peer, network: 'test', now };

test('a valid card is accepted', () => {
  const signed = sign(identity, cardOf(identity));
  const verified = verifyCard(signed, checks);
  assert.equal(verified.peer, identity.peer);
  assert.deepEqual(verified.card, cardOf(identity));
  assert.deepEqual(verifyCard(signed, { ...checks, newest: verified }), verified);
});

const newest = verifyCard(sign(identity, cardOf(identity)), checks);
const refusals: readonly (readonly [string, Signed, RegExp, Partial<CardChecks>?])[] = [
  ['that expires now', sign(identity, cardOf(identity, { expiresAt: now })), /has expired 0 s ago/],
  [
    'whose clocks differ by more than its life',
    sign(identity, cardOf(identity, { expiresAt: now - 90_000 })),
    /has expired 90 s ago by this machine’s clock; check both clocks/,
  ],
  ['for another network', sign(identity, cardOf(identity, { network: 'main' })), /another network/],
  ['of another peer', sign(identity, cardOf(identity, { peer: other.signingKey.publicKey })), /another peer/],
  ['signed by another', sign(other, cardOf(identity)), /signature/],
  ['signed as something else', sign(identity, cardOf(identity), kinds.quote), /signature/],
  [
    'altered on the way',
    { ...newest, body: Uint8Array.from(newest.body, (byte, at) => (at === 40 ? byte ^ 1 : byte)) },
    /signature/,
  ],
  [
    'whose class is not its map',
    sign(identity, cardOf(identity, { execClass: execClassOf({ ...testExec, batch: 64 }) })),
    /malformed.*execClass/,
  ],
  ['of a provider without a class', sign(identity, cardOf(identity, { execClass: null, exec: null })), /malformed/],
  ['with an unknown field', sign(identity, { ...cardOf(identity), discount: 1 }), /malformed/],
  [
    'with a price below zero',
    sign(identity, cardOf(identity, { models: [testModel('alpha', 'q8_0', { priceOut: -1 })] })),
    /malformed/,
  ],
  ['rolled back', sign(identity, cardOf(identity, { seq: 4 })), /newer/, { newest }],
  [
    'of the same number as another',
    sign(identity, cardOf(identity, { seq: 5, issuedAt: now - 1 })),
    /same number/,
    { newest },
  ],
  [
    'with a name without end',
    sign(identity, cardOf(identity, { models: [testModel('a'.repeat(10_000))] })),
    /too large/,
  ],
  [
    'with a thousand models',
    sign(identity, cardOf(identity, { models: Array.from({ length: 1000 }, () => testModel('a')) })),
    /too large/,
  ],
];
for (const [what, signed, why, over] of refusals) {
  test(`a card ${what} is refused`, () => {
    assert.throws(
      () => verifyCard(signed, { ...checks, ...over }),
      (error: unknown) => error instanceof QvacError && error.code === 'E_BAD_PEER' && why.test(error.message),
    );
  });
}

test('a card is fetched over the network from the peer that signed it', async (t) => {
  const { peer, issuer } = await startOfferer(t, [testModel('alpha')], { kademlia: false });
  const client = await startPeer(t, { role: 'client' });
  const fetched = await fetchCard({ peer: client, clock: systemClock }, addressOf(peer));
  assert.deepEqual(fetched, issuer.current());
  assert.ok(fetched.card.addrs.includes(addressOf(peer)));
});

test('a peer that sends another peer’s card, none, or never answers is refused', async (t) => {
  const honest = await startOfferer(t, [testModel('alpha')], { kademlia: false });
  const client = await startPeer(t, { role: 'client' });
  const components = { peer: client, clock: systemClock };
  const liar = await startPeer(t);
  const { body, sig } = honest.issuer.current();
  await liar.handle(cardProtocol, async (stream) => stream.write({ t: 'card', body, sig }));
  await assert.rejects(fetchCard(components, addressOf(liar)), { code: 'E_BAD_PEER' });
  const empty = await startPeer(t);
  await empty.handle(cardProtocol, async () => {});
  await assert.rejects(fetchCard(components, addressOf(empty)), { code: 'E_TRUNCATED' });
  const silent = await startPeer(t);
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await silent.handle(cardProtocol, () => held);
  const giveUp = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => giveUp.abort(reason), 100);
  await assert.rejects(fetchCard(components, addressOf(silent), { signal: giveUp.signal }), reason);
  release();
});

test('card numbers grow across restarts, even if the clock stands still', async (t) => {
  const path = join(await temporaryHome(t), 'card.json');
  const peer = await startPeer(t);
  let time = 50;
  const init = { path, role: 'provider', content: () => testContent([testModel('alpha')]) } as const;
  const components = { peer, clock: { now: () => time }, logger: silentLogger };
  const first = createCardIssuer(components, init);
  await first.start();
  t.after(() => first.stop());
  const numbers = [first.current().card.seq];
  await Promise.all([first.renew(), first.renew()]);
  numbers.push(first.current().card.seq);
  first.stop();
  time = 10;
  const second = createCardIssuer(components, init);
  await second.start();
  t.after(() => second.stop());
  numbers.push(second.current().card.seq);
  assert.deepEqual(numbers, [50, 52, 53]);
  assert.deepEqual(JSON.parse(await readFile(path, 'utf8')), { seq: 53 });
  assert.equal(second.current().card.expiresAt - second.current().card.issuedAt, 600_000);
});

test('a card is renewed in time, with the content of that time', async (t) => {
  const peer = await startPeer(t);
  let name = 'alpha';
  const issuer = createCardIssuer(
    { peer, clock: systemClock, logger: silentLogger },
    { path: null, role: 'provider', content: () => testContent([testModel(name)]), renewMs: 20 },
  );
  await issuer.start();
  t.after(() => issuer.stop());
  assert.equal(issuer.current().card.models[0]?.name, 'alpha');
  name = 'beta';
  while (issuer.current().card.models[0]?.name !== 'beta')
    await new Promise((resolve) => issuer.events.once('issued', resolve));
});
