import type { Problem } from '../../problem.ts';

/** Anthropic's error body; `type` is their value, `code` ours. */
export function anthropicError({ status, code, message, param }: Problem): object {
  return { type: 'error', error: { type: typeOf(status), message, code, param } };
}

function typeOf(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 402:
      return 'billing_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 503:
      return 'overloaded_error';
    case 504:
      return 'timeout_error';
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error';
  }
}
