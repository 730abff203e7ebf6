import * as v from 'valibot';
import { type Chain, RejectedTransaction } from './chain.ts';
import { blockhashSlots, slotMs } from './clock.ts';
import { accountJson, matches, transactionJson } from './rpc-json.ts';
import * as p from './rpc-params.ts';
import { bytesOf, paramsOf, RpcError, rpcCodes } from './rpc-params.ts';
import { errorText } from './transaction-error.ts';

/** What a client may be given at once: enough for any test, too little to overflow a balance. */
const maxAirdrop = 1_000_000_000_000_000;
const slotsPerEpoch = 432_000;

type Method = (params: unknown) => unknown;

/** The JSON-RPC methods of a Solana node that its clients use, on `chain`. Everything is final at once. */
export function createMethods(chain: Chain): Readonly<Record<string, Method>> {
  const slot = (): number => chain.clock.slot();
  const inContext = <Value>(value: Value) => ({ context: { apiVersion: '3.0.0', slot: slot() }, value });
  return {
    getHealth: () => 'ok',
    getVersion: () => ({ 'solana-core': '3.0.0', 'feature-set': 0 }),
    getGenesisHash: () => chain.genesisHash,
    getSlot: slot,
    getBlockHeight: slot,
    getBlockTime: (params) => {
      const [asked] = paramsOf(params, p.countParam);
      return Math.floor((chain.clock.now() - (slot() - asked) * slotMs) / 1_000);
    },
    getEpochInfo: () => ({
      absoluteSlot: slot(),
      blockHeight: slot(),
      epoch: Math.floor(slot() / slotsPerEpoch),
      slotIndex: slot() % slotsPerEpoch,
      slotsInEpoch: slotsPerEpoch,
      transactionCount: chain.transactionCount,
    }),
    getTransactionCount: () => chain.transactionCount,
    getLatestBlockhash: () =>
      inContext({ blockhash: chain.blockhash(), lastValidBlockHeight: slot() + blockhashSlots }),
    isBlockhashValid: (params) => {
      const [blockhash] = paramsOf(params, p.blockhashParam);
      return inContext(chain.isBlockhashValid(blockhash));
    },
    getFeeForMessage: (params) => {
      const [message] = paramsOf(params, v.string('a message in base64'));
      return inContext(5_000 * (bytesOf(message, 'base64')[0] ?? 1));
    },
    getRecentPrioritizationFees: () => [{ slot: slot(), prioritizationFee: 0 }],
    getMinimumBalanceForRentExemption: (params) => {
      const [bytes] = paramsOf(params, p.countParam);
      return Number(chain.minimumBalance(bytes));
    },
    ...accountMethods(chain, inContext),
    ...transactionMethods(chain, inContext),
    requestAirdrop: (params) => {
      const [address, lamports] = paramsOf(params, p.addressParam, p.lamportsParam);
      if (lamports > maxAirdrop)
        throw new RpcError(rpcCodes.params, `Invalid params: at most ${maxAirdrop} lamports at once`);
      return chain.airdrop(address, BigInt(lamports));
    },
    /** Not a cluster's: moves the clock forward by so many seconds. */
    qvac_warp: (params) => {
      const [seconds] = paramsOf(params, p.countParam);
      if (seconds > 10 * 365 * 86_400) throw new RpcError(rpcCodes.params, 'Invalid params: at most ten years');
      chain.warp(seconds * 1_000);
      return Math.floor(chain.clock.now() / 1_000);
    },
  };
}

type InContext = <Value>(value: Value) => {
  readonly context: { readonly apiVersion: string; readonly slot: number };
  readonly value: Value;
};

function accountMethods(chain: Chain, inContext: InContext): Readonly<Record<string, Method>> {
  return {
    getBalance: (params) => {
      const [address] = paramsOf(params, p.addressParam);
      return inContext(Number(chain.account(address)?.lamports ?? 0n));
    },
    getAccountInfo: (params) => {
      const [address, config] = paramsOf(params, p.addressParam, p.accountConfig);
      const account = chain.account(address);
      return inContext(account === null ? null : accountJson(account, config));
    },
    getMultipleAccounts: (params) => {
      const [addresses, config] = paramsOf(
        params,
        v.pipe(v.array(p.addressParam, 'addresses'), v.maxLength(p.maxAccounts, `at most ${p.maxAccounts} addresses`)),
        p.accountConfig,
      );
      const accounts = addresses.map((address) => chain.account(address));
      return inContext(accounts.map((account) => (account === null ? null : accountJson(account, config))));
    },
    getProgramAccounts: (params) => {
      const [program, config] = paramsOf(params, p.addressParam, p.programAccountsConfig);
      const accounts = chain
        .accountsOf(program)
        .filter((account) => (config?.filters ?? []).every((filter) => matches(account, filter)));
      const list = accounts.map((account) => ({ pubkey: account.address, account: accountJson(account, config) }));
      return config?.withContext === true ? inContext(list) : list;
    },
  };
}

function transactionMethods(chain: Chain, inContext: InContext): Readonly<Record<string, Method>> {
  return {
    sendTransaction: (params) => {
      const [text, config] = paramsOf(params, v.string('a transaction'), p.sendConfig);
      const raw = bytesOf(text, config?.encoding);
      return refusing(() => {
        if (config?.skipPreflight !== true) chain.simulate(raw);
        return chain.execute(raw).signature;
      });
    },
    simulateTransaction: (params) => {
      const [text, config] = paramsOf(params, v.string('a transaction'), p.simulateConfig);
      const raw = bytesOf(text, config?.encoding);
      const options = {
        anyBlockhash: config?.replaceRecentBlockhash === true,
        anySignature: config?.sigVerify !== true,
      };
      const replacement =
        config?.replaceRecentBlockhash === true
          ? {
              replacementBlockhash: {
                blockhash: chain.blockhash(),
                lastValidBlockHeight: chain.clock.slot() + blockhashSlots,
              },
            }
          : {};
      try {
        const { logs, units } = chain.simulate(raw, options);
        return inContext({ err: null, logs, accounts: null, unitsConsumed: units, returnData: null, ...replacement });
      } catch (error) {
        if (!(error instanceof RejectedTransaction)) throw badTransaction(error);
        return inContext({
          err: error.err,
          logs: error.logs,
          accounts: null,
          unitsConsumed: error.units,
          returnData: null,
          ...replacement,
        });
      }
    },
    getSignatureStatuses: (params) => {
      const [signatures] = paramsOf(
        params,
        v.pipe(
          v.array(p.signatureParam, 'signatures'),
          v.maxLength(p.maxSignatures, `at most ${p.maxSignatures} signatures`),
        ),
      );
      return inContext(
        signatures.map((signature) => {
          const found = chain.transaction(signature);
          if (found === null) return null;
          return {
            slot: found.slot,
            confirmations: null,
            err: found.err,
            status: found.err === null ? { Ok: null } : { Err: found.err },
            confirmationStatus: 'finalized',
          };
        }),
      );
    },
    getTransaction: (params) => {
      const [signature, config] = paramsOf(params, p.signatureParam, p.transactionConfig);
      const found = chain.transaction(signature);
      if (found === null) return null;
      return transactionJson(found, typeof config === 'string' ? config : (config?.encoding ?? 'json'));
    },
    getSignaturesForAddress: (params) => {
      const [address, config] = paramsOf(params, p.addressParam, p.historyConfig);
      const all = chain.transactionsOf(address);
      const from = config?.before == null ? 0 : all.findIndex(({ signature }) => signature === config.before) + 1;
      const until = config?.until == null ? -1 : all.findIndex(({ signature }) => signature === config.until);
      return all
        .slice(from, until < 0 ? undefined : until)
        .slice(0, config?.limit ?? 1_000)
        .map(({ signature, slot, err, time }) => ({
          signature,
          slot,
          err,
          memo: null,
          blockTime: time,
          confirmationStatus: 'finalized',
        }));
    },
  };
}

/** Turns what the chain says about a transaction into what clients understand. */
function refusing<Value>(send: () => Value): Value {
  try {
    return send();
  } catch (error) {
    if (!(error instanceof RejectedTransaction)) throw badTransaction(error);
    if (error.err === 'SignatureFailure')
      throw new RpcError(rpcCodes.signature, 'Transaction signature verification failure');
    const data = { err: error.err, logs: error.logs, accounts: null, unitsConsumed: error.units, returnData: null };
    throw new RpcError(rpcCodes.refused, `Transaction simulation failed: ${errorText(error.err)}`, data);
  }
}

function badTransaction(error: unknown): unknown {
  return error instanceof RangeError ? new RpcError(rpcCodes.params, `Invalid params: ${error.message}`) : error;
}
