import type { Program } from '@coral-xyz/anchor';
import anchor from '@coral-xyz/anchor';
import { type Connection, PublicKey } from '@solana/web3.js';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import type { Escrow as EscrowIdl } from '../../programs/escrow/artifacts/escrow.ts';
import { QvacError } from '../errors.ts';
import { anySignal, delay, raceSignal } from '../lib/abort.ts';
import type { AbortOptions } from '../lib/types.ts';
import { decodeAddress } from '../protocol/base58.ts';
import { addressText, chainOfGenesis, defaultProgramText, parseAddress } from './addresses.ts';
import type { Escrow, EscrowReader, EscrowWriter, Executed, WalletKey } from './escrow.ts';
import type { Call } from './program/instructions/context.ts';
import { createInstructions, type Instructions } from './program/instructions.ts';
import { createReader } from './program/reader.ts';
import { refused } from './program/refusals.ts';
import { openRpc, type Rpc } from './program/rpc.ts';
import { execute } from './program/sender.ts';

export interface EscrowInit {
  /** JSON-RPC endpoint of the chain. */
  readonly rpcUrl: string;
  /** Who pays and is paid; null only reads. @default null */
  readonly wallet?: WalletKey | null;
  /** Where the program lies. @default the committed program's own address */
  readonly program?: Uint8Array;
  /** Micro-lamports per compute unit on top of the fee. @default 0 */
  readonly priorityFee?: number;
  /** How long a transaction may take to be confirmed. @default 60_000 */
  readonly timeoutMs?: number;
  /** Between looks at an account that is waited for. @default 500 */
  readonly pollMs?: number;
}

type Resolved = Required<Omit<EscrowInit, 'rpcUrl' | 'program'>>;

/**
 * Opens the escrow on the chain at `rpcUrl`.
 * @throws QvacError E_CHAIN where the chain does not answer, E_CONFIG where it has no such program
 */
export async function openEscrow(
  { rpcUrl, program = parseAddress(defaultProgramText), ...init }: EscrowInit,
  options: AbortOptions = {},
): Promise<Escrow> {
  const rpc = openRpc(rpcUrl);
  const [genesis, account] = await Promise.all([
    rpc.call(genesisHash, options),
    rpc.call((connection) => connection.getAccountInfo(new PublicKey(program)), options),
  ]);
  if (account?.executable !== true) {
    const where = `the chain at ${new URL(rpcUrl).host}`;
    throw new QvacError('E_CONFIG', `there is no program ${addressText(program)} on ${where}`, {
      hint: 'name another endpoint with --rpc, or deploy the program there',
    });
  }
  return createEscrow(rpc, program, genesis, {
    wallet: null,
    priorityFee: 0,
    timeoutMs: 60_000,
    pollMs: 500,
    ...init,
  });
}

async function genesisHash(connection: Connection): Promise<string> {
  const genesis = await connection.getGenesisHash();
  if (decodeAddress(genesis) === null) throw new Error('it states no genesis hash');
  return genesis;
}

function createEscrow(rpc: Rpc, program: Uint8Array, genesis: string, init: Resolved): Escrow {
  const client: Program<EscrowIdl> = new anchor.Program(
    { ...idl, address: addressText(program) } as unknown as EscrowIdl,
    { connection: rpc.connection },
  );
  const reader = createReader(rpc, client, init.pollMs);

  function signer(): WalletKey {
    if (init.wallet === null) throw new QvacError('E_CONFIG', 'this needs a wallet', { hint: 'qvac wallet new' });
    return init.wallet;
  }
  async function run(
    options: AbortOptions | undefined,
    call: (instructions: Instructions) => Promise<Call>,
  ): Promise<Executed> {
    const wallet = signer();
    const instructions = createInstructions({ program: client, programId: program, wallet: wallet.publicKey });
    return execute(rpc, { ...init, wallet }, await call(instructions), options);
  }
  async function balance(address = signer().publicKey, options?: AbortOptions): Promise<bigint> {
    return rpc.call(async (connection) => BigInt(await connection.getBalance(new PublicKey(address))), options);
  }

  return {
    ...reader,
    ...createWriter(reader, signer, run),
    chain: chainOfGenesis(genesis),
    genesis: parseAddress(genesis, 'genesis hash'),
    program,
    wallet: init.wallet?.publicKey ?? null,
    balance,
    airdrop: (lamports, options) => airdrop({ rpc, balance, ...init }, signer().publicKey, lamports, options),
  };
}

function createWriter(
  reader: EscrowReader,
  signer: () => WalletKey,
  run: (options: AbortOptions | undefined, call: (instructions: Instructions) => Promise<Call>) => Promise<Executed>,
): EscrowWriter {
  return {
    register: ({ node, stake }, options) => run(options, (does) => does.register(node, stake)),
    async rotatePeer({ node }, options) {
      const account = await reader.provider(signer().publicKey, options);
      if (account === null) throw refused('NoAccount');
      return run(options, (does) => does.rotatePeer(node, account.bindings + 1));
    },
    addStake: (lamports, authority, options) =>
      run(options, (does) => does.addStake(lamports, authority ?? signer().publicKey)),
    withdraw: (lamports, options) => run(options, (does) => does.withdraw(lamports)),

    createJob: ({ authority, offer }, options) => run(options, (does) => does.createJob(authority, offer)),
    refundJob: (job, options) => run(options, (does) => does.refundJob(job)),
    submitJob: (job, { head, ack }, options) => run(options, (does) => does.submitJob(job, head, ack)),
    confirmJob: (job, options) => run(options, (does) => does.confirmJob(job)),
    rejectJob: (job, verdictDigest, options) => run(options, (does) => does.rejectJob(job, verdictDigest)),

    openChannel: (terms, options) => run(options, (does) => does.openChannel(terms)),
    topUpChannel: (channel, lamports, options) => run(options, (does) => does.topUpChannel(channel, lamports)),
    settleChannel: (channel, ack, options) => run(options, (does) => does.settleChannel(channel, ack)),
    closeChannel: (channel, ack, options) => run(options, (does) => does.closeChannel(channel, ack)),
    requestCloseChannel: (channel, options) => run(options, (does) => does.requestCloseChannel(channel)),
    rejectChannel: (channel, verdictDigest, options) =>
      run(options, (does) => does.rejectChannel(channel, verdictDigest)),
    finishChannel: (channel, options) => run(options, (does) => does.finishChannel(channel)),

    createEvidence: (channel, { offer, head }, options) =>
      run(options, (does) => does.createEvidence(channel, offer, head)),
    closeEvidence: (evidence, options) => run(options, (does) => does.closeEvidence(evidence)),
    challenge: (subject, positions, options) => run(options, (does) => does.challenge(subject, positions)),
    answerChallenge: (subject, step, options) => run(options, (does) => does.answerChallenge(subject, step)),
    slashSilence: (subject, options) => run(options, (does) => does.slashSilence(subject)),
    slashEquivocation: (subject, heads, options) => run(options, (does) => does.slashEquivocation(subject, heads)),
    slashSampler: (subject, step, options) => run(options, (does) => does.slashSampler(subject, step)),
  };
}

/** Asks the network for lamports and waits until they are there. */
async function airdrop(
  {
    rpc,
    balance,
    timeoutMs,
    pollMs,
  }: Pick<Resolved, 'timeoutMs' | 'pollMs'> & Pick<Escrow, 'balance'> & { readonly rpc: Rpc },
  address: Uint8Array,
  lamports: bigint,
  options?: AbortOptions,
): Promise<void> {
  if (lamports <= 0n || lamports > BigInt(Number.MAX_SAFE_INTEGER))
    throw new QvacError('E_USAGE', `an airdrop of ${lamports} lamports is not possible`);
  const before = await balance(address, options);
  const hint = 'ask for less, or later; https://faucet.solana.com gives devnet SOL, mainnet none';
  try {
    // Once: a second request after a lost answer may be given twice.
    await raceSignal(rpc.connection.requestAirdrop(new PublicKey(address), Number(lamports)), options?.signal);
  } catch (error) {
    options?.signal?.throwIfAborted();
    throw new QvacError('E_CHAIN', 'this chain did not give lamports away', { hint, cause: error });
  }
  const limit = AbortSignal.timeout(timeoutMs);
  const signal = anySignal(options?.signal, limit);
  try {
    while ((await balance(address, { signal })) <= before) await delay(pollMs, signal);
  } catch (error) {
    options?.signal?.throwIfAborted();
    if (!limit.aborted) throw error;
    throw new QvacError('E_CHAIN', `the lamports did not come within ${timeoutMs / 1_000} s`, { hint, cause: error });
  }
}
