import * as v from 'valibot';
import { fromBase58 } from '../../protocol/base58.ts';

/** An error of the JSON-RPC: `code` as in JSON-RPC 2.0 and as Solana's nodes use it. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.data = data;
  }
}

export const rpcCodes = {
  parse: -32700,
  request: -32600,
  method: -32601,
  params: -32602,
  internal: -32603,
  refused: -32002,
  signature: -32003,
} as const;

/** Most accounts in one request, as on a cluster. */
export const maxAccounts = 100;
/** Most signatures in one request, as on a cluster. */
export const maxSignatures = 256;

const base58 = (bytes: number, what: string) =>
  v.pipe(
    v.string(`${what} in base58`),
    v.check((text) => fromBase58(text)?.length === bytes, `${what} in base58`),
  );

export const addressParam = base58(32, 'an address');
export const signatureParam = base58(64, 'a signature');
export const blockhashParam = base58(32, 'a blockhash');
export const lamportsParam = v.pipe(
  v.number('lamports'),
  v.safeInteger('whole lamports'),
  v.minValue(1, 'lamports above zero'),
);
export const countParam = v.pipe(
  v.number('a number'),
  v.safeInteger('a whole number'),
  v.minValue(0, 'a number from 0'),
);

const offset = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(10_000_000));
const accountEncoding = v.picklist(['base58', 'base64', 'base64+zstd', 'jsonParsed']);
const accountFields = {
  encoding: v.optional(accountEncoding),
  dataSlice: v.optional(v.nullable(v.object({ offset, length: offset }))),
  commitment: v.optional(v.string()),
  minContextSlot: v.optional(countParam),
};
export const accountConfig = v.optional(v.nullable(v.object(accountFields)));
const memcmp = v.object({
  memcmp: v.object({ offset, bytes: v.string(), encoding: v.optional(v.picklist(['base58', 'base64'])) }),
});
export const programAccountsConfig = v.optional(
  v.nullable(
    v.object({
      ...accountFields,
      filters: v.optional(
        v.nullable(v.pipe(v.array(v.union([memcmp, v.object({ dataSize: countParam })])), v.maxLength(4))),
      ),
      withContext: v.optional(v.boolean()),
    }),
  ),
);
export const sendConfig = v.optional(
  v.nullable(
    v.object({ encoding: v.optional(v.picklist(['base58', 'base64'])), skipPreflight: v.optional(v.boolean()) }),
  ),
);
export const simulateConfig = v.optional(
  v.nullable(
    v.object({
      encoding: v.optional(v.picklist(['base58', 'base64'])),
      sigVerify: v.optional(v.boolean()),
      replaceRecentBlockhash: v.optional(v.boolean()),
    }),
  ),
);
export const transactionConfig = v.optional(
  v.nullable(
    v.union([
      v.object({ encoding: v.optional(v.picklist(['json', 'base64'], 'the encodings json and base64')) }),
      v.picklist(['json', 'base64']),
    ]),
  ),
);
export const historyConfig = v.optional(
  v.nullable(
    v.object({
      limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000))),
      before: v.optional(v.nullable(signatureParam)),
      until: v.optional(v.nullable(signatureParam)),
    }),
  ),
);
export const logsFilter = v.union([
  v.picklist(['all', 'allWithVotes']),
  v.object({ mentions: v.pipe(v.array(addressParam), v.length(1)) }),
]);
/** The parameters in their types. @throws RpcError for others */
export function paramsOf<Schemas extends readonly v.GenericSchema[]>(
  params: unknown,
  ...schemas: Schemas
): { [Index in keyof Schemas]: v.InferOutput<Schemas[Index]> } {
  const given: readonly unknown[] = Array.isArray(params) ? params : [];
  return schemas.map((schema, at) => {
    const result = v.safeParse(schema, given[at]);
    if (!result.success)
      throw new RpcError(rpcCodes.params, `Invalid params: ${at + 1}: expected ${result.issues[0].message}`);
    return result.output;
  }) as { [Index in keyof Schemas]: v.InferOutput<Schemas[Index]> };
}

/** The bytes of a transaction or message as it was sent. @throws RpcError */
export function bytesOf(text: string, encoding: 'base58' | 'base64' = 'base58'): Uint8Array {
  const bytes = encoding === 'base64' ? Buffer.from(text, 'base64') : fromBase58(text);
  if (bytes === null || bytes.length === 0)
    throw new RpcError(rpcCodes.params, `Invalid params: expected a transaction in ${encoding}`);
  return new Uint8Array(bytes);
}
