/**
 * A runtime error as the JSON-RPC writes it, from the text that the runtime gives: `"BlockhashNotFound"`,
 * `{ InstructionError: [0, { Custom: 6000 }] }`, `{ InsufficientFundsForRent: { account_index: 1 } }`.
 */
export function transactionError(text: string): unknown {
  const instruction = /err: InstructionError\((\d+), (\w+)(?:\((\d+)\))?/.exec(text);
  if (instruction !== null) {
    const [, index, name = '', number] = instruction;
    return { InstructionError: [Number(index), number === undefined ? name : { [name]: Number(number) }] };
  }
  const [, name = 'Unknown', field, number] = /err: (\w+)(?: \{ (\w+): (\d+) \})?/.exec(text) ?? [];
  return field === undefined ? name : { [name]: { [field]: Number(number) } };
}

/** The same as a sentence, in the words of a cluster, which clients look for. */
export function errorText(err: unknown): string {
  if (err === 'BlockhashNotFound') return 'Blockhash not found';
  if (err === 'AlreadyProcessed') return 'This transaction has already been processed';
  if (err === 'AccountNotFound') return 'Attempt to debit an account but found no record of a prior credit.';
  if (err === 'InsufficientFundsForFee') return 'Insufficient funds for fee';
  if (typeof err === 'object' && err !== null) {
    if ('InstructionError' in err && Array.isArray(err.InstructionError)) {
      const [index, reason]: readonly unknown[] = err.InstructionError;
      const custom = typeof reason === 'object' && reason !== null && 'Custom' in reason ? Number(reason.Custom) : null;
      const why = custom === null ? String(reason) : `custom program error: 0x${custom.toString(16)}`;
      return `Error processing Instruction ${String(index)}: ${why}`;
    }
    if ('InsufficientFundsForRent' in err) return 'Transaction results in an account with insufficient funds for rent';
  }
  return `Transaction failed: ${typeof err === 'string' ? err : JSON.stringify(err)}`;
}
