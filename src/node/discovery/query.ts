import type { CID } from 'multiformats/cid';
import { QvacError } from '../../errors.ts';
import { toHex } from '../../lib/bytes.ts';
import type { ModelId, PeerIdString } from '../../lib/types.ts';
import { modelKey, nameKey, nameQuantKey, roleKey } from '../../protocol/discovery-keys.ts';
import type { Card, CardModel } from '../../protocol/messages.ts';
import type { VerifiedCard } from '../cards/cards.ts';

/** What to search for. Every part must match; without any part, every peer with a card matches. */
export interface Query {
  /** 64 hex digits of the file's digest, `name`, or `name/quant`. */
  readonly model?: string | undefined;
  readonly role?: Card['role'] | undefined;
  readonly peer?: PeerIdString | undefined;
}

/** Roles whose nodes announce themselves. */
const roles = ['provider', 'router', 'relay'] as const;
const hexId = /^[0-9a-f]{64}$/i;

/** The card's models that `model` names, or all of them. */
export function modelsNamed(card: Card, model: string | undefined): readonly CardModel[] {
  if (model === undefined) return card.models;
  if (hexId.test(model)) return card.models.filter((offered) => toHex(offered.id) === model.toLowerCase());
  return card.models.filter((offered) => offered.name === model || `${offered.name}/${offered.quant}` === model);
}

export function fits(found: VerifiedCard, query: Query): boolean {
  if (query.peer !== undefined && found.peer !== query.peer) return false;
  if (query.role !== undefined && found.card.role !== query.role) return false;
  return query.model === undefined || modelsNamed(found.card, query.model).length > 0;
}

/** The hash table's keys of the peers that match (protocol section 7). */
export function keysOf(query: Query): readonly CID[] {
  const { model, role } = query;
  if (model === undefined) return (role === undefined ? roles : [role]).map(roleKey);
  if (hexId.test(model)) return [modelKey(model.toLowerCase() as ModelId)];
  const slash = model.lastIndexOf('/');
  // A name may itself contain a slash.
  return slash > 0 ? [nameQuantKey(model.slice(0, slash), model.slice(slash + 1)), nameKey(model)] : [nameKey(model)];
}

/** The keys under which a node with this card is found. */
export function keysOfCard(card: Card): readonly CID[] {
  const keys = card.models.flatMap((model) => [
    modelKey(toHex(model.id) as ModelId),
    nameKey(model.name),
    nameQuantKey(model.name, model.quant),
  ]);
  return [...keys, roleKey(card.role)];
}

/** Flags that select the network of that name. */
const flagsOf: ReadonlyMap<string, string> = new Map([
  ['local', ''],
  ['dev', ' --network devnet'],
  ['main', ' --network mainnet'],
]);

/** The error if no peer matches although this node is connected. */
export function noProvider(query: Query, network: string): QvacError {
  const what = query.model === undefined ? (query.role === 'router' ? 'a router' : 'a model') : query.model;
  return new QvacError('E_NO_PROVIDER', `no node on network "${network}" offers ${what} now`, {
    hint: `list the nodes: qvac peers${flagsOf.get(network) ?? ` --private ${network}`}`,
  });
}

/** The error if no node was reached. @param why the last reason */
export function notConnected(network: string, why: string | null): QvacError {
  return new QvacError(
    'E_NETWORK',
    `not connected to network "${network}"${why === null ? ': no node was found' : `: ${why}`}`,
    {
      hint: 'name a running node with --bootstrap /ip4/…/tcp/…/p2p/12D3Koo…, or start one: qvac serve',
    },
  );
}
