import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Caller, Check } from '../../src/gateway/guard/check.ts';
import { hostCheck, hostName } from '../../src/gateway/guard/host.ts';
import { jsonOnlyCheck } from '../../src/gateway/guard/json-only.ts';
import { originCheck } from '../../src/gateway/guard/origin.ts';
import { rateCheck } from '../../src/gateway/guard/rate.ts';
import { tokenCheck } from '../../src/gateway/guard/token.ts';

function caller(headers: Readonly<Record<string, string>> = {}, over: Partial<Caller> = {}): Caller {
  return {
    method: 'POST',
    path: '/v1/chat/completions',
    target: '/v1/chat/completions',
    remoteAddress: '127.0.0.1',
    header: (name) => headers[name],
    ...over,
  };
}
const statusOf = (check: Check, of: Caller): number | null => check(of)?.status ?? null;

suite('host', () => {
  const check = hostCheck(new Set(['127.0.0.1', 'localhost', '[::1]']));
  test('accepts its own names, with or without a port', () => {
    for (const host of ['127.0.0.1', '127.0.0.1:3000', 'localhost:3000', 'LOCALHOST', '[::1]:3000'])
      assert.equal(statusOf(check, caller({ host })), null, host);
  });
  test('refuses any other name', () => {
    for (const host of [
      'evil.example',
      'evil.example:3000',
      '127.0.0.1.evil.example',
      'localhost@evil.example',
      '127.0.0.1:3000:80',
      '',
      '127.0.0.1:',
      '0.0.0.0',
    ])
      assert.equal(statusOf(check, caller({ host })), 403, host);
    assert.equal(statusOf(check, caller()), 403);
  });
  test('refuses a host in the request line', () => {
    for (const target of ['http://evil.example/v1/models', 'evil.example:443', '*', ''])
      assert.equal(statusOf(check, caller({ host: '127.0.0.1' }, { target })), 400, target);
  });
  test('refuses two Host headers', () =>
    assert.equal(statusOf(check, caller({ host: '127.0.0.1, evil.example' })), 403));
  test('reads names as browsers write them', () =>
    assert.deepEqual(['A.example:1', '[FE80::1]', 'a b'].map(hostName), ['a.example', '[fe80::1]', null]));
});

suite('origin', () => {
  const check = originCheck(new Set(['http://127.0.0.1:3000']));
  test('accepts programs, which send no Origin', () => assert.equal(statusOf(check, caller()), null));
  test('accepts its own page', () => {
    assert.equal(statusOf(check, caller({ origin: 'http://127.0.0.1:3000', 'sec-fetch-site': 'same-origin' })), null);
    assert.equal(statusOf(check, caller({ 'sec-fetch-site': 'same-origin' }, { method: 'GET' })), null);
  });
  test('refuses pages of another origin', () => {
    for (const origin of [
      'https://evil.example',
      'null',
      'http://127.0.0.1:3001',
      'https://127.0.0.1:3000',
      'http://127.0.0.1:3000.evil.example',
    ])
      assert.equal(statusOf(check, caller({ origin })), 403, origin);
  });
  test('refuses cross-site fetches without an Origin', () => {
    const image = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' };
    assert.equal(statusOf(check, caller(image, { method: 'GET', path: '/receipts/00' })), 403);
    assert.equal(
      statusOf(check, caller({ ...image, 'sec-fetch-site': 'same-site' }, { method: 'GET', path: '/' })),
      403,
    );
  });
  test('accepts a link to the page, refuses a link to anything else', () => {
    const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    assert.equal(statusOf(check, caller(link, { method: 'GET', path: '/' })), null);
    assert.equal(statusOf(check, caller(link, { method: 'GET', path: '/qvac/receipts' })), 403);
    assert.equal(statusOf(check, caller({ ...link, 'sec-fetch-dest': 'iframe' }, { method: 'GET', path: '/' })), 403);
  });
});

suite('token', () => {
  const page = { origin: 'http://127.0.0.1:3000' };
  const check = tokenCheck({ token: 'secret', programs: false });
  test('a page needs the token to ask, spend or read', () => {
    assert.equal(statusOf(check, caller(page)), 401);
    assert.equal(statusOf(check, caller({ ...page, authorization: 'Bearer wrong' })), 401);
    assert.equal(statusOf(check, caller({ ...page, authorization: 'secret' })), 401);
    assert.equal(statusOf(check, caller({ ...page, authorization: 'Bearer secret' })), null);
    assert.equal(statusOf(check, caller({ ...page, 'x-api-key': 'secret' })), null);
    assert.equal(
      statusOf(check, caller({ 'sec-fetch-site': 'same-origin' }, { method: 'GET', path: '/qvac/receipts' })),
      401,
    );
  });
  test('the page’s files and the health check need none', () => {
    for (const path of ['/', '/assets/page.js', '/health', '/favicon.ico'])
      assert.equal(statusOf(check, caller(page, { method: 'GET', path })), null, path);
    assert.equal(statusOf(check, caller(page, { path: '/' })), 401);
  });
  test('programs on this machine need none', () => assert.equal(statusOf(check, caller()), null));
  test('the person’s own data needs the token itself, even for programs with a key', () => {
    const keyed = tokenCheck({ token: 'secret', programs: true, isKey: (secret) => secret === 'key-1' });
    for (const path of ['/qvac/receipts', '/qvac/peers', '/qvac/signatures/00']) {
      assert.equal(statusOf(check, caller({}, { method: 'GET', path })), 401, path);
      assert.equal(statusOf(check, caller({ authorization: 'Bearer secret' }, { method: 'GET', path })), null, path);
      assert.equal(statusOf(keyed, caller({ authorization: 'Bearer key-1' }, { method: 'GET', path })), 401, path);
    }
  });
  test('programs need a key or the token if keys are in use', () => {
    const keyed = tokenCheck({ token: 'secret', programs: true, isKey: (secret) => secret === 'key-1' });
    assert.equal(statusOf(keyed, caller()), 401);
    assert.equal(statusOf(keyed, caller({ authorization: 'Bearer key-2' })), 401);
    for (const secret of ['key-1', 'secret'])
      assert.equal(statusOf(keyed, caller({ authorization: `Bearer ${secret}` })), null);
    assert.equal(statusOf(keyed, caller({ 'x-api-key': 'key-1' })), null);
  });
});

suite('rate', () => {
  test('allows a burst, then a steady rate, per address', () => {
    let now = 1_000;
    const check = rateCheck({ now: () => now }, { perSecond: 10, burst: 3 });
    assert.deepEqual(
      [1, 2, 3, 4].map(() => statusOf(check, caller())),
      [null, null, null, 429],
    );
    assert.equal(statusOf(check, caller({}, { remoteAddress: '127.0.0.2' })), null);
    now += 200;
    assert.deepEqual(
      [1, 2, 3].map(() => statusOf(check, caller())),
      [null, null, 429],
    );
  });
  test('tracks a bounded number of addresses', () => {
    const check = rateCheck({ now: () => 0 }, { perSecond: 1, burst: 1 });
    for (let i = 0; i < 5_000; i++) check(caller({}, { remoteAddress: `10.0.${i >> 8}.${i & 255}` }));
    assert.equal(statusOf(check, caller({}, { remoteAddress: '10.0.0.0' })), null);
  });
});

test('requires JSON from pages, which forms cannot send', () => {
  const origin = 'http://127.0.0.1:3000';
  assert.equal(statusOf(jsonOnlyCheck, caller({ origin, 'content-type': 'text/plain' })), 415);
  assert.equal(statusOf(jsonOnlyCheck, caller({ origin })), 415);
  assert.equal(statusOf(jsonOnlyCheck, caller({ origin, 'content-type': 'application/json; charset=utf-8' })), null);
  assert.equal(statusOf(jsonOnlyCheck, caller()), null);
});
