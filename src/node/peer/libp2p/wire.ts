import type { Stream, StreamMessageEvent } from '@libp2p/interface';
import { toError } from '../../../errors.ts';
import { concat } from '../../../lib/bytes.ts';
import { RawMessageError, readVarint } from './protobuf.ts';

/** Most bytes of one message; a reservation with eight addresses has about 500. */
const maxMessageBytes = 4_096;

/** Bytes of a length up to `maxMessageBytes`. */
const maxLengthBytes = 2;

/** Sends a message with its length in front. */
export function sendMessage(stream: Stream, message: Uint8Array): void {
  const length = message.length < 0x80 ? [message.length] : [(message.length % 0x80) + 0x80, message.length >> 7];
  stream.send(concat(Uint8Array.from(length), message));
}

/**
 * The next message, which has its length in front. Leaves the stream paused with all that follows unread: those bytes
 * belong to somebody else.
 * @throws RawMessageError for a message that is too long or cut off; the signal's reason
 */
export function readMessage(stream: Stream, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let received: Uint8Array = new Uint8Array(0);
    const finish = (settle: () => void): void => {
      stream.removeEventListener('message', onMessage);
      stream.removeEventListener('remoteCloseWrite', onEnd);
      stream.removeEventListener('close', onEnd);
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const fail = (error: unknown): void => finish(() => reject(toError(error)));
    const onAbort = (): void => fail(signal.reason);
    const onEnd = (): void => fail(new RawMessageError('a stream that ended before its message'));
    const onMessage = (event: StreamMessageEvent): void => {
      // A throw in this listener would end the process.
      try {
        received = concat(received, event.data.subarray());
        const message = firstOf(received);
        if (message === null) return;
        const rest = received.subarray(message.end);
        finish(() => {
          stream.pause();
          if (rest.length > 0) stream.unshift(rest);
          resolve(message.bytes);
        });
      } catch (error) {
        fail(error);
      }
    };
    if (signal.aborted) return onAbort();
    if (stream.status !== 'open') return onEnd();
    signal.addEventListener('abort', onAbort, { once: true });
    stream.addEventListener('remoteCloseWrite', onEnd);
    stream.addEventListener('close', onEnd);
    stream.addEventListener('message', onMessage);
    if (stream.readStatus === 'paused') stream.resume();
  });
}

/** The first message in `received` and where it ends, null until all of it is there. @throws RawMessageError */
function firstOf(received: Uint8Array): { readonly bytes: Uint8Array; readonly end: number } | null {
  const lengthEnd = received.findIndex((byte) => byte < 0x80) + 1;
  if (lengthEnd > maxLengthBytes || (lengthEnd === 0 && received.length >= maxLengthBytes))
    throw new RawMessageError('a message that is too long');
  if (lengthEnd === 0) return null;
  const { value: length } = readVarint(received, 0);
  if (length > maxMessageBytes) throw new RawMessageError('a message that is too long');
  const end = lengthEnd + length;
  return received.length < end ? null : { bytes: received.slice(lengthEnd, end), end };
}
