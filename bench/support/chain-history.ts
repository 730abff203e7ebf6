/** What the chain itself says of a transaction that was executed. */
export interface Charged {
  readonly signature: string;
  /** Who paid for it, base58. */
  readonly payer: string;
  /** Signatures that the network verified: the wallet's, and those that nodes made. */
  readonly signatures: number;
  /** Lamports. */
  readonly fee: number;
  /** Names of the program's instructions, from its log. */
  readonly does: readonly string[];
}

interface RawTransaction {
  readonly meta: { readonly fee: number; readonly logMessages: readonly string[] };
  readonly transaction: {
    readonly message: {
      readonly accountKeys: readonly string[];
      readonly header: { readonly numRequiredSignatures: number };
    };
  };
}

async function call<Value>(rpcUrl: string, method: string, params: readonly unknown[]): Promise<Value> {
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const { result, error } = (await response.json()) as {
    readonly result: Value;
    readonly error?: { readonly message: string };
  };
  if (error !== undefined) throw new Error(`${method}: ${error.message}`);
  return result;
}

/** Every transaction that names one of `addresses` and that somebody was charged for, each once. */
export async function chargedTo(rpcUrl: string, addresses: readonly string[]): Promise<readonly Charged[]> {
  const histories = await Promise.all(
    addresses.map((address) =>
      call<readonly { readonly signature: string }[]>(rpcUrl, 'getSignaturesForAddress', [address, { limit: 1_000 }]),
    ),
  );
  const signatures = [...new Set(histories.flat().map(({ signature }) => signature))];
  const all: Charged[] = [];
  for (const signature of signatures) {
    const found = await call<RawTransaction | null>(rpcUrl, 'getTransaction', [signature, { encoding: 'json' }]);
    if (found === null || found.meta.fee === 0) continue;
    const { accountKeys, header } = found.transaction.message;
    const does = found.meta.logMessages.flatMap((line) => /^Program log: Instruction: (\w+)$/.exec(line)?.[1] ?? []);
    all.push({
      signature,
      payer: accountKeys[0] ?? '',
      signatures: header.numRequiredSignatures,
      fee: found.meta.fee,
      does,
    });
  }
  return all;
}
