import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import type { PeerIdString } from '../../../../src/lib/types.ts';
import { answersOf, asksFor, nodeIn } from '../../../../src/node/peer/multicast/records.ts';
import { peerIdOf } from '../../../../src/proofs/signing.ts';

const service = '_qvac-test._udp.local';
const peer = peerIdOf(new Uint8Array(32).fill(1));
const other = peerIdOf(new Uint8Array(32).fill(2));
const addrs = ['/ip4/192.168.1.5/tcp/4001', '/ip6/fd00::5/tcp/4002'];
const withPeer = (address: string, of: PeerIdString = peer): string => `${address}/p2p/${of}`;

/** What another machine reads of a response with these records. */
function sent(answers: Answer[], more: Partial<Packet> = {}): Packet {
  return decode(encode({ type: 'response', answers, ...more }));
}

test('an answer is read back from its packet', () => {
  const answers = answersOf(
    service,
    'run-1',
    addrs.map((address) => withPeer(address)),
  );
  assert.deepEqual(nodeIn(sent(answers), service), { peer, instance: 'run-1', addrs });
});

test('addresses are also read from the additional records', () => {
  const [pointer, ...texts] = answersOf(
    service,
    'run-1',
    addrs.map((address) => withPeer(address)),
  );
  assert.ok(pointer !== undefined);
  assert.deepEqual(nodeIn(sent([pointer], { additionals: texts }), service)?.addrs, addrs);
});

test('a query asks for one service by its PTR', () => {
  const query = (name: string, type: 'PTR' | 'A'): Packet =>
    decode(encode({ type: 'query', questions: [{ name, type }] }));
  assert.equal(asksFor(query(service, 'PTR'), service), true);
  assert.equal(asksFor(query(service, 'A'), service), false);
  assert.equal(asksFor(query('_qvac-other._udp.local', 'PTR'), service), false);
});

const text = (...data: string[]): Answer => ({ name: `run-1.${service}`, type: 'TXT', data });
const pointer: Answer = { name: service, type: 'PTR', data: `run-1.${service}` };
const unusable: readonly (readonly [string, Answer[]])[] = [
  ['of another service', answersOf('_qvac-other._udp.local', 'run-1', [withPeer(addrs[0] ?? '')])],
  [
    'whose instance is of another service',
    [{ ...pointer, data: 'run-1._other._udp.local' }, text(`dnsaddr=${withPeer(addrs[0] ?? '')}`)],
  ],
  ['without a pointer', [text(`dnsaddr=${withPeer(addrs[0] ?? '')}`)]],
  ['without an address', [pointer]],
  ['whose address names no peer', [pointer, text(`dnsaddr=${addrs[0]}`)]],
  [
    'whose addresses are of two peers',
    [pointer, text(`dnsaddr=${withPeer(addrs[0] ?? '')}`), text(`dnsaddr=${withPeer(addrs[1] ?? '', other)}`)],
  ],
  ['whose address is malformed', [pointer, text('dnsaddr=/ip4/1.2.3/tcp/x', 'dnsaddr=', 'ca=1', '')]],
  [
    'whose address leads through a relay',
    [pointer, text(`dnsaddr=${withPeer(addrs[0] ?? '')}/p2p-circuit/p2p/${other}`)],
  ],
];
for (const [what, answers] of unusable)
  test(`a response ${what} is ignored`, () => assert.equal(nodeIn(sent(answers), service), null));

test('sixteen addresses are read from a response with hundreds', () => {
  const many = Array.from({ length: 300 }, (_, at) => withPeer(`/ip4/10.0.0.1/tcp/${at + 1}`));
  assert.equal(nodeIn(sent(answersOf(service, 'run-1', many)), service)?.addrs.length, 16);
});

test('an address that does not fit in a TXT string is left out', () => {
  const long = withPeer(`/dns4/${'x'.repeat(220)}/tcp/1`);
  assert.deepEqual(nodeIn(sent(answersOf(service, 'run-1', [long, withPeer(addrs[0] ?? '')])), service)?.addrs, [
    addrs[0],
  ]);
});

test('reading never throws for a packet that decodes', () => {
  const whole = encode({ type: 'response', answers: answersOf(service, 'run-1', [withPeer(addrs[0] ?? '')]) });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 }),
      (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, byte] of changes) bytes[at] = byte;
        let packet: Packet;
        try {
          packet = decode(bytes);
        } catch {
          return;
        }
        nodeIn(packet, service);
        asksFor(packet, service);
      },
    ),
    { seed: 1, numRuns: 2_000 },
  );
});
