/**
 * What a transaction does, as the gateway declares it (src/gateway/page/signatures.ts). Amounts are lamports as decimal
 * text.
 */
export type Purpose =
  | {
      readonly kind: 'job_create';
      readonly job: string;
      readonly amount: string;
      readonly payee: string;
      readonly provider: string;
    }
  | {
      readonly kind: 'job_reject';
      readonly job: string;
      readonly burnt: string;
      readonly refunded: string;
      readonly payee: string;
    }
  | { readonly kind: 'job_slash'; readonly job: string; readonly refunded: string; readonly payee: string }
  | { readonly kind: 'job_refund'; readonly job: string; readonly refunded: string; readonly payee: string }
  | {
      readonly kind: 'job_confirm';
      readonly job: string;
      readonly paid: string;
      readonly refunded: string;
      readonly payee: string;
    };
