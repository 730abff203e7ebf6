import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PeerIdString } from '../../../src/lib/types.ts';
import { type Circuit, Circuits } from '../../../src/node/relay/circuits.ts';
import { defaultRelayLimits } from '../../../src/node/relay/constants.ts';
import { Reservations } from '../../../src/node/relay/reservations.ts';
import { TokenBucket } from '../../../src/node/relay/token-bucket.ts';

const peer = (at: number): PeerIdString => `peer-${at}` as PeerIdString;
const everybody: ReadonlySet<PeerIdString> = new Set();

describe('reservations', () => {
  it('are bounded in all and per address, whoever asks', () => {
    const reservations = new Reservations(defaultRelayLimits, everybody, () => 0);
    const refusals = Array.from({ length: 10_000 }, (_, at) => reservations.reserve(peer(at), '8.8.8.8'));
    assert.equal(reservations.size, 8);
    assert.equal(refusals.filter((why) => why === 'ip').length, 9_992);
    for (let at = 0; at < 10_000; at++) reservations.reserve(peer(10_000 + at), `8.0.${at >> 8}.${at & 255}`);
    assert.equal(reservations.size, 256);
    assert.equal(reservations.reserve(peer(99_999), '8.1.1.1'), 'full');
    reservations.release(peer(0));
    assert.equal(reservations.reserve(peer(99_999), '8.1.1.1'), null);
    assert.ok(reservations.has(peer(99_999)));
  });

  it('move with their peer to another address, if there is room', () => {
    const limits = { ...defaultRelayLimits, maxReservationsPerIp: 1 };
    const reservations = new Reservations(limits, everybody, () => 0);
    assert.equal(reservations.reserve(peer(1), '8.8.8.8'), null);
    assert.equal(reservations.reserve(peer(2), '8.8.8.8'), 'ip');
    assert.equal(reservations.reserve(peer(2), '8.8.4.4'), null);
    assert.equal(reservations.reserve(peer(1), '8.8.4.4'), 'ip');
    // It keeps the place that it has.
    assert.ok(reservations.has(peer(1)));
    assert.equal(reservations.reserve(peer(1), '8.1.1.1'), null);
    assert.equal(reservations.reserve(peer(3), '8.8.8.8'), null);
  });

  it('expire unless they are renewed', () => {
    let now = 0;
    const reservations = new Reservations(defaultRelayLimits, everybody, () => now);
    reservations.reserve(peer(1), '8.8.8.8');
    reservations.reserve(peer(2), '8.8.8.8');
    now = 3_000_000;
    reservations.reserve(peer(2), '8.8.8.8');
    now = 3_600_001;
    assert.deepEqual([reservations.has(peer(1)), reservations.has(peer(2))], [false, true]);
    reservations.sweep();
    assert.equal(reservations.size, 1);
  });
});

describe('circuits', () => {
  it('are bounded by target, source, address and in all, and give their places back once', () => {
    const limits = {
      ...defaultRelayLimits,
      maxCircuits: 6,
      maxCircuitsPerTarget: 4,
      maxCircuitsPerSource: 2,
      maxCircuitsPerIp: 3,
    };
    const circuits = new Circuits(limits, () => 0);
    const open = (source: number, ip: string, target: number) =>
      circuits.open({ source: peer(source), ip, target: peer(target) });
    const first = open(1, 'a', 9) as Circuit;
    assert.equal(typeof open(1, 'a', 9), 'object');
    assert.equal(open(1, 'a', 9), 'source');
    assert.equal(typeof open(2, 'a', 9), 'object');
    assert.equal(open(3, 'a', 9), 'ip');
    assert.equal(typeof open(3, 'b', 9), 'object');
    assert.equal(open(4, 'c', 9), 'target');
    assert.equal(typeof open(4, 'c', 8), 'object');
    assert.equal(typeof open(5, 'd', 7), 'object');
    assert.equal(open(6, 'e', 6), 'circuits');
    first.release();
    first.release();
    assert.equal(circuits.size, 5);
    assert.equal(typeof open(6, 'e', 6), 'object');
    assert.equal(open(7, 'f', 5), 'circuits');
  });

  it('of one target share its rate, and all share the total', () => {
    const limits = { ...defaultRelayLimits, bytesPerSecond: 1_000, totalBytesPerSecond: 4_000 };
    const circuits = new Circuits(limits, () => 0);
    const open = (source: number, target: number): Circuit =>
      circuits.open({ source: peer(source), ip: String(source), target: peer(target) }) as Circuit;
    const [one, same, other] = [open(1, 8), open(2, 8), open(3, 9)];
    assert.equal(one.take(1_500), 0);
    assert.equal(same.take(1_500), 1_000);
    assert.equal(other.take(2_000), 0);
    assert.equal(other.take(1_000), 1_000);
    assert.equal(other.take(4_000), 5_000);
    assert.equal(circuits.bytes, 10_000);
  });
});

describe('a token bucket', () => {
  it('lets a burst pass, then the rate', () => {
    let now = 0;
    const bucket = new TokenBucket(1_000, () => now);
    assert.equal(bucket.take(2_000), 0);
    assert.equal(bucket.take(500), 500);
    now = 500;
    assert.equal(bucket.take(1), 1);
    now = 1_000_000;
    assert.equal(bucket.take(2_000), 0);
    assert.equal(bucket.take(1_000), 1_000);
    assert.equal(new TokenBucket(0, () => now).take(1e12), 0);
  });
});
