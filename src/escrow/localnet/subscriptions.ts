import type { Chain } from './chain.ts';
import type { StoredTransaction } from './ledger.ts';
import type { Methods } from './rpc-calls.ts';
import { accountJson, matches } from './rpc-json.ts';
import * as p from './rpc-params.ts';
import { paramsOf, RpcError, rpcCodes } from './rpc-params.ts';

/** What one connection may watch at once. */
const maxSubscriptions = 1_000;
const systemProgram = '11111111111111111111111111111111';

/** What a subscription has to say about a transaction: notifications, none where it is about something else. */
interface Subscription {
  readonly kind: 'signature' | 'account' | 'program' | 'logs';
  /** Gone after its first notification. */
  readonly once: boolean;
  about(transaction: StoredTransaction): readonly unknown[];
}

export interface Subscriptions {
  /** The websocket's methods, besides those of HTTP. */
  readonly methods: Methods;
  close(): void;
}

/** The subscriptions of one websocket; notifications go to `send` as JSON. */
export function createSubscriptions(chain: Chain, send: (text: string) => void): Subscriptions {
  const active = new Map<number, Subscription>();
  let lastId = 0;

  const notify = (id: number, { kind, once, about }: Subscription, transaction: StoredTransaction): void => {
    for (const value of about(transaction)) {
      const result = { context: { slot: transaction.slot }, value };
      send(JSON.stringify({ jsonrpc: '2.0', method: `${kind}Notification`, params: { result, subscription: id } }));
      if (once) active.delete(id);
    }
  };
  const stop = chain.onChange((transaction) => {
    for (const [id, subscription] of active) notify(id, subscription, transaction);
  });
  const add = (subscription: Subscription): number => {
    if (active.size >= maxSubscriptions)
      throw new RpcError(rpcCodes.request, `at most ${maxSubscriptions} subscriptions`);
    lastId++;
    active.set(lastId, subscription);
    return lastId;
  };
  const remove = (params: unknown): boolean => {
    const [id] = paramsOf(params, p.countParam);
    return active.delete(id);
  };
  return {
    methods: {
      ...subscribeMethods(chain, add, notify),
      signatureUnsubscribe: remove,
      accountUnsubscribe: remove,
      programUnsubscribe: remove,
      logsUnsubscribe: remove,
    },
    close() {
      stop();
      active.clear();
    },
  };
}

function subscribeMethods(
  chain: Chain,
  add: (subscription: Subscription) => number,
  notify: (id: number, subscription: Subscription, transaction: StoredTransaction) => void,
): Methods {
  return {
    signatureSubscribe: (params) => {
      const [signature] = paramsOf(params, p.signatureParam);
      const subscription: Subscription = {
        kind: 'signature',
        once: true,
        about: (transaction) => (transaction.signature === signature ? [{ err: transaction.err }] : []),
      };
      const id = add(subscription);
      const known = chain.transaction(signature);
      // The answer with the id has to come first.
      if (known !== null) setImmediate(() => notify(id, subscription, known));
      return id;
    },
    accountSubscribe: (params) => {
      const [address, config] = paramsOf(params, p.addressParam, p.accountConfig);
      const gone = { address, lamports: 0n, owner: systemProgram, executable: false, data: new Uint8Array() };
      return add({
        kind: 'account',
        once: false,
        about: ({ keys }) => (keys.includes(address) ? [accountJson(chain.account(address) ?? gone, config)] : []),
      });
    },
    programSubscribe: (params) => {
      const [program, config] = paramsOf(params, p.addressParam, p.programAccountsConfig);
      const wanted = (key: string): unknown[] => {
        const account = chain.account(key);
        if (account?.owner !== program || !(config?.filters ?? []).every((filter) => matches(account, filter)))
          return [];
        return [{ pubkey: key, account: accountJson(account, config) }];
      };
      return add({ kind: 'program', once: false, about: ({ keys }) => keys.flatMap(wanted) });
    },
    logsSubscribe: (params) => {
      const [filter] = paramsOf(params, p.logsFilter);
      const mentioned = typeof filter === 'string' ? null : (filter.mentions[0] ?? '');
      return add({
        kind: 'logs',
        once: false,
        about: ({ keys, signature, err, logs }) =>
          mentioned === null || keys.includes(mentioned) ? [{ signature, err, logs }] : [],
      });
    },
  };
}
