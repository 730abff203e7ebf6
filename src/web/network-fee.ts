/** One instruction of a transaction. */
export interface Instruction {
  /** base58 */
  readonly program: string;
  readonly data: Uint8Array;
}

/** What the network takes for a transaction, lamports. */
export interface NetworkFee {
  /** For the signatures. */
  readonly base: bigint;
  /** On top, for a faster place in a block. */
  readonly priority: bigint;
}

export const computeBudgetProgram = 'ComputeBudget111111111111111111111111111111';
export const signatureProgram = 'Ed25519SigVerify111111111111111111111111111';

/** The highest priority fee that this page lets a wallet sign, lamports: 0.001 SOL. */
export const maxPriorityFeeLamports = 1_000_000n;

/** The most that this page lets the network take for signatures, lamports: that of 20. */
export const maxBaseFeeLamports = 100_000n;

const signatureLamports = 5_000n;
const microLamports = 1_000_000n;
/** Compute units of an instruction, and of a transaction at most, if it sets no limit. */
const [defaultUnits, maxUnits] = [200_000n, 1_400_000n];

/** Instructions of the compute budget program, by their first byte, with the bytes of their operand. */
const budgetOperands: Readonly<Record<number, number>> = {
  /** RequestHeapFrame */
  1: 4,
  /** SetComputeUnitLimit */
  2: 4,
  /** SetComputeUnitPrice, micro-lamports per unit */
  3: 8,
  /** SetLoadedAccountsDataSizeLimit */
  4: 4,
};

/**
 * The network's fee for a transaction with these instructions.
 * @throws Error for a compute budget that this page does not know
 */
export function networkFeeOf(instructions: readonly Instruction[]): NetworkFee {
  const budget = new Map<number, bigint>();
  for (const { program, data } of instructions) {
    if (program !== computeBudgetProgram) continue;
    const [kind = -1, ...operand] = data;
    if (budgetOperands[kind] !== operand.length || budget.has(kind))
      throw new Error('the transaction has a malformed compute budget');
    budget.set(
      kind,
      operand.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n),
    );
  }
  const others = instructions.filter(({ program }) => program !== computeBudgetProgram);
  const units = smaller(budget.get(2) ?? defaultUnits * BigInt(others.length), maxUnits);
  const price = budget.get(3) ?? 0n;
  const signatures = others
    .filter(({ program }) => program === signatureProgram)
    .reduce((sum, { data }) => sum + BigInt(data[0] ?? 0), 1n);
  return {
    base: signatures * signatureLamports,
    priority: (price * units + microLamports - 1n) / microLamports,
  };
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
