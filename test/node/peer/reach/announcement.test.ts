import assert from 'node:assert/strict';
import { it } from 'node:test';
import { announcedAddresses } from '../../../../src/node/peer/reach/announcement.ts';

const nothing = { configured: [], confirmed: [], relayed: [], listening: [], isOnline: false } as const;
const [near, far] = ['/ip4/192.168.1.5/tcp/4001', '/ip4/8.8.8.8/tcp/4001'];
const circuit = '/ip4/8.8.4.4/tcp/4001/p2p/12D3KooWLbTqVBYXwEdHqCwAvSGyzAmDUKRYVZmUwk3RNEWjbVEk/p2p-circuit';

it('a node announces the addresses that work from the internet, and else where it listens if nobody outside hears it', () => {
  for (const [state, expected] of [
    [{}, []],
    [{ listening: [near] }, [near]],
    [{ listening: [near], isOnline: true }, []],
    [{ listening: [near], confirmed: [far], isOnline: true }, [far]],
    [{ listening: [near], confirmed: [far] }, [far]],
    [{ listening: [near], relayed: [circuit], isOnline: true }, [circuit]],
    [{ listening: [near], confirmed: [far], relayed: [circuit, circuit], isOnline: true }, [far, circuit]],
    [{ listening: [near], configured: ['/dns4/node.example/tcp/1'], confirmed: [far] }, ['/dns4/node.example/tcp/1']],
  ] as const)
    assert.deepEqual(announcedAddresses({ ...nothing, ...state }), expected);
});
