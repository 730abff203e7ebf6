/**
 * What a transaction does, as the gateway declares it (src/gateway/page/purpose.ts). Amounts are lamports as decimal
 * text, times unix ms by the chain's clock.
 */
export type Purpose = JobPurpose | ChannelPurpose;

interface AboutJob {
  readonly job: string;
  readonly payee: string;
}

export type JobPurpose =
  | (AboutJob & {
      readonly kind: 'job_create';
      readonly amount: string;
      readonly provider: string;
      readonly isScore: boolean;
    })
  | (AboutJob & { readonly kind: 'job_reject'; readonly burnt: string; readonly refunded: string })
  | (AboutJob & { readonly kind: 'job_slash'; readonly refunded: string })
  | (AboutJob & { readonly kind: 'job_refund'; readonly refunded: string })
  | (AboutJob & { readonly kind: 'job_confirm'; readonly paid: string; readonly refunded: string });

interface AboutChannel {
  readonly channel: string;
  readonly payee: string;
  readonly provider: string;
}

export type ChannelOpening = AboutChannel & {
  readonly kind: 'channel_open';
  readonly deposit: string;
  readonly client: string;
  readonly chain: string;
  readonly expiresAt: number;
  readonly rent: string;
};

export type ChannelTopUp = AboutChannel & {
  readonly kind: 'channel_top_up';
  readonly amount: string;
  readonly deposit: string;
};

export type ChannelPurpose =
  | ChannelOpening
  | ChannelTopUp
  | (AboutChannel & { readonly kind: 'channel_request_close' })
  | (AboutChannel & { readonly kind: 'channel_reject' })
  | (AboutChannel & { readonly kind: 'channel_finish' })
  | (AboutChannel & { readonly kind: 'evidence_create'; readonly job: string; readonly rent: string })
  | (AboutChannel & { readonly kind: 'channel_slash'; readonly job: string })
  | { readonly kind: 'evidence_close'; readonly job: string; readonly provider: string };

/** The id of the channel or job that a purpose is about, in hex. */
export function subjectOf(purpose: Purpose): string {
  return 'channel' in purpose ? purpose.channel : purpose.job;
}

export function isChannelPurpose(purpose: Purpose): purpose is ChannelPurpose {
  return 'channel' in purpose || purpose.kind === 'evidence_close';
}

const objectionKinds: ReadonlySet<Purpose['kind']> = new Set([
  'job_reject',
  'job_slash',
  'channel_request_close',
  'channel_reject',
  'evidence_create',
  'channel_slash',
]);

/** Whether it is a step of an objection, whose transaction is built again when it expires. */
export function isObjection({ kind }: Purpose): boolean {
  return objectionKinds.has(kind);
}
