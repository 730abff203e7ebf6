import type { Problem } from '../../problem.ts';

/** OpenAI's codes that clients act on, by ours. */
const openaiCodes: Readonly<Record<string, string>> = {
  E_CONTEXT: 'context_length_exceeded',
  E_NO_PROVIDER: 'model_not_found',
  E_NO_MODEL: 'model_not_found',
  E_TOKEN: 'invalid_api_key',
  E_RATE: 'rate_limit_exceeded',
};

/** OpenAI's error body. `code` is OpenAI's if it has one, `qvac_code` always ours. */
export function openaiError({ status, code, message, param }: Problem) {
  return { error: { message, type: typeOf(status), param, code: openaiCodes[code] ?? code, qvac_code: code } };
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
