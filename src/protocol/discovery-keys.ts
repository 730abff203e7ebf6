import { sha256 } from '@noble/hashes/sha2.js';
import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { utf8 } from '../lib/bytes.ts';
import type { ModelId } from '../lib/types.ts';

const rawCodec = 0x55;
const sha256Code = 0x12;

/** Section 7: the CID under which provider records of `key` are found. */
function keyCid(key: string): CID {
  return CID.createV1(rawCodec, create(sha256Code, sha256(utf8(key))));
}

/** Providers of this exact file. */
export function modelKey(id: ModelId): CID {
  return keyCid(`qvac/1/model/${id}`);
}

/** Providers of a model of this name, in any quantisation. */
export function nameKey(name: string): CID {
  return keyCid(`qvac/1/name/${name}`);
}

export function nameQuantKey(name: string, quant: string): CID {
  return keyCid(`qvac/1/name/${name}/${quant}`);
}

/** Peers in a role. */
export function roleKey(role: 'router' | 'provider' | 'relay'): CID {
  return keyCid(`qvac/1/role/${role}`);
}

/** Section 7: a network's Kademlia protocol. `network` is `main`, `dev`, `local` or private. */
export function kadProtocol(network: string): string {
  return `/qvac/${network}/kad/1.0.0`;
}

/** Section 7: a network's mDNS service. */
export function mdnsTag(network: string): string {
  return `_qvac-${network}._udp.local`;
}
