import type { Problem } from '../../problem.ts';

/** OpenAI's error body; `code` is ours. */
export function openaiError({ status, code, message, param }: Problem): object {
  return { error: { message, type: typeOf(status), param, code } };
}

function typeOf(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 402:
      return 'insufficient_quota';
    case 404:
      return 'not_found_error';
    case 429:
      return 'rate_limit_error';
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error';
  }
}
