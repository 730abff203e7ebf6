import assert from 'node:assert/strict';
import { it } from 'node:test';
import { noProvider } from '../../../src/node/discovery/query.ts';

it('names the command that lists the same network', () => {
  for (const [network, flags] of [
    ['local', ''],
    ['dev', ' --network devnet'],
    ['main', ' --network mainnet'],
    ['ours', ' --private ours'],
    ['constructor', ' --private constructor'],
  ] as const) {
    assert.equal(noProvider({ model: 'tiny' }, network).hint, `list the nodes: qvac peers${flags}`);
  }
});
