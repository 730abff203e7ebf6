import type { Program } from '@coral-xyz/anchor';
import anchor from '@coral-xyz/anchor';
import { PublicKey } from '@solana/web3.js';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import type { Escrow as EscrowIdl } from '../../programs/escrow/artifacts/escrow.ts';
import { QvacError } from '../errors.ts';
import { anySignal, delay, raceSignal } from '../lib/abort.ts';
import type { AbortOptions } from '../lib/types.ts';
import { addressText, chainOfGenesis, defaultProgramText, jobAddress, parseAddress } from './addresses.ts';
import type { Escrow, Executed, WalletKey } from './escrow.ts';
import { type Call, createInstructions, type Instructions } from './program/instructions.ts';
import { createReader } from './program/reader.ts';
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
    rpc.call((connection) => connection.getGenesisHash(), options),
    rpc.call((connection) => connection.getAccountInfo(new PublicKey(program)), options),
  ]);
  if (account?.executable !== true) {
    const where = `the chain at ${new URL(rpcUrl).host}`;
    throw new QvacError('E_CONFIG', `there is no program ${addressText(program)} on ${where}`, {
      hint: 'name another endpoint with --rpc, or deploy the program there',
    });
  }
  return createEscrow(rpc, program, chainOfGenesis(genesis), {
    wallet: null,
    priorityFee: 0,
    timeoutMs: 60_000,
    pollMs: 500,
    ...init,
  });
}

function createEscrow(rpc: Rpc, program: Uint8Array, chain: string, init: Resolved): Escrow {
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
    return execute(rpc, { ...init, wallet }, await call(createInstructions(client, wallet.publicKey)), options);
  }
  async function balance(address = signer().publicKey, options?: AbortOptions): Promise<bigint> {
    return rpc.call(async (connection) => BigInt(await connection.getBalance(new PublicKey(address))), options);
  }

  return {
    ...reader,
    chain,
    program,
    wallet: init.wallet?.publicKey ?? null,
    balance,
    async airdrop(lamports, options) {
      const address = signer().publicKey;
      if (lamports <= 0n || lamports > BigInt(Number.MAX_SAFE_INTEGER))
        throw new QvacError('E_USAGE', `no such amount can be given away: ${lamports} lamports`);
      const before = await balance(address, options);
      const hint = 'ask for less, or later; https://faucet.solana.com gives devnet SOL, mainnet none';
      try {
        // Once: whoever asks again after a lost answer may be given twice.
        await raceSignal(rpc.connection.requestAirdrop(new PublicKey(address), Number(lamports)), options?.signal);
      } catch (error) {
        options?.signal?.throwIfAborted();
        throw new QvacError('E_CHAIN', 'this chain did not give lamports away', { hint, cause: error });
      }
      const limit = AbortSignal.timeout(init.timeoutMs);
      const signal = anySignal(options?.signal, limit);
      try {
        while ((await balance(address, { signal })) <= before) await delay(init.pollMs, signal);
      } catch (error) {
        options?.signal?.throwIfAborted();
        if (!limit.aborted) throw error;
        throw new QvacError('E_CHAIN', `the lamports did not come within ${init.timeoutMs / 1_000} s`, {
          hint,
          cause: error,
        });
      }
    },
    register: ({ node, stake }, options) => run(options, (does) => does.register(node, stake)),
    rotatePeer: ({ node }, options) => run(options, (does) => does.rotatePeer(node)),
    addStake: (lamports, authority, options) =>
      run(options, (does) => does.addStake(lamports, authority ?? signer().publicKey)),
    requestUnstake: (lamports, options) => run(options, (does) => does.requestUnstake(lamports)),
    withdraw: (options) => run(options, (does) => does.withdraw()),
    createJob: ({ authority, terms }, options) =>
      run(options, (does) => does.createJob(authority, jobAddress(program, signer().publicKey, terms.jobId), terms)),
    declineJob: (job, options) => run(options, (does) => does.declineJob(job)),
    submitJob: (job, delivery, options) => run(options, (does) => does.submitJob(job, delivery)),
    confirmJob: (job, options) => run(options, (does) => does.confirmJob(job)),
    rejectJob: (job, verdictDigest, options) => run(options, (does) => does.rejectJob(job, verdictDigest)),
    claimJob: (job, options) => run(options, (does) => does.claimJob(job)),
    refundJob: (job, options) => run(options, (does) => does.refundJob(job)),
    slashEquivocation: (job, heads, options) => run(options, (does) => does.slashEquivocation(job, heads)),
    slashHeadMismatch: (job, head, options) => run(options, (does) => does.slashHeadMismatch(job, head)),
    slashSampler: (job, step, options) => run(options, (does) => does.slashSampler(job, step)),
  };
}
