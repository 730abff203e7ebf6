import { concat, u32 } from '../../lib/bytes.ts';
import type { SigningKey } from '../../proofs/signing.ts';
import { sha256, tag } from '../../protocol/digests.ts';
import type { SignedBody } from '../escrow.ts';
import type { NodeSignature } from './ed25519.ts';

/** Kinds of what nodes sign for the program (protocol section 1). */
type Kind = 'qvac/head/1' | 'qvac/ack/1' | 'qvac/channel/1' | 'qvac/register/1';

const noJob = new Uint8Array(32);
const jobIdAt = 1;

/** The 80 bytes of protocol section 1, for a job or, in its place, an authority. */
function message(kind: Kind, context: Uint8Array, body: Uint8Array): Uint8Array {
  return concat(tag(kind), context, sha256(body));
}

/** Of a head or an acknowledgement, whose bodies name their job at the same place. */
const jobIdOf = (body: Uint8Array): Uint8Array => body.subarray(jobIdAt, jobIdAt + 32);

export function headSignature(peer: Uint8Array, { body, sig }: SignedBody): NodeSignature {
  return { key: peer, message: message('qvac/head/1', jobIdOf(body), body), signature: sig };
}

export function ackSignature(clientPeer: Uint8Array, { body, sig }: SignedBody): NodeSignature {
  return { key: clientPeer, message: message('qvac/ack/1', jobIdOf(body), body), signature: sig };
}

export function termsSignature(peer: Uint8Array, { body, sig }: SignedBody): NodeSignature {
  return { key: peer, message: message('qvac/channel/1', noJob, body), signature: sig };
}

/**
 * The node's consent to be bound to this authority's account of this program.
 * @param binding the number that the account gives to the binding: 0 at registration, then one more each time
 */
export function consent(
  node: SigningKey,
  {
    program,
    authority,
    binding,
  }: { readonly program: Uint8Array; readonly authority: Uint8Array; readonly binding: number },
): NodeSignature {
  const signed = message('qvac/register/1', authority, concat(program, node.publicKey, u32(binding)));
  return { key: node.publicKey, message: signed, signature: node.sign(signed) };
}
