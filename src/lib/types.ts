declare const brand: unique symbol;

/** A `Base` that only checked code produces, so that ids of the same shape cannot be confused. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

/** Lower-case hex of a 32-byte digest that names a job (protocol section 4). */
export type JobId = Brand<string, 'JobId'>;

/** Lower-case hex of the 32-byte digest that names a channel (protocol section 9). */
export type ChannelId = Brand<string, 'ChannelId'>;

/** Lower-case hex of the 32-byte digest of a model file (protocol section 2). */
export type ModelId = Brand<string, 'ModelId'>;

/** A libp2p peer id in its text form, `12D3Koo…` (protocol section 1). */
export type PeerIdString = Brand<string, 'PeerIdString'>;

/** Options of every asynchronous call that may take long. */
export interface AbortOptions {
  readonly signal?: AbortSignal | undefined;
}
