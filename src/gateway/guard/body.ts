import type { IncomingMessage } from 'node:http';
import { Problem } from '../problem.ts';

/** The largest request body, bytes: as much as an offer may carry. */
const maxBodyBytes = 4 * 1024 * 1024;

/**
 * The text of a request's body. Stops reading at the limit.
 * @throws Problem 413, 415; 400 if the body is not UTF-8 or ends early
 */
export async function readBody(incoming: IncomingMessage, limit: number = maxBodyBytes): Promise<string> {
  const encoding = incoming.headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (encoding !== 'identity')
    throw new Problem(415, 'E_UNSUPPORTED', 'content-encoding is not supported', { param: 'content-encoding' });
  const tooLarge = new Problem(413, 'E_TOO_LARGE', `the request is longer than ${limit} bytes`, {
    headers: { connection: 'close' },
  });
  if (Number(incoming.headers['content-length'] ?? 0) > limit) throw tooLarge;
  const parts: Buffer[] = [];
  let length = 0;
  try {
    // The socket stays open, so that the client still receives the refusal.
    for await (const part of incoming.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(part)) continue;
      length += part.length;
      if (length > limit) throw tooLarge;
      parts.push(part);
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(
      400,
      'E_USAGE',
      error instanceof TypeError ? 'the request is not UTF-8' : 'the connection closed before the end of the request',
      { cause: error },
    );
  }
}
