import type { PeerId, Stream } from '@libp2p/interface';
import { QvacError, toError } from '../../errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { Frame } from '../../protocol/frames.ts';
import { type FrameStream, type FrameStreamOptions, LibP2PFrameStream } from './streams.ts';

/** How long the other side may take to end a stream after our handler is done, in ms. */
const lingerMs = 5_000;
/** How long sending an error frame may take, and then the other side to end the stream, in ms. */
const farewellMs = 5_000;

/** The last frame of a stream, by the code of the error that ended its handler. */
const farewells: Readonly<Record<string, Frame>> = {
  E_BAD_PEER: { t: 'error', code: 'bad-frame', message: 'a frame broke the protocol' },
  E_BUG: { t: 'error', code: 'internal', message: 'this node failed' },
};

export interface ServeHooks {
  readonly logger: Logger;
  /** The other side broke the protocol. */
  readonly onBadFrame: (peer: PeerIdString) => void;
}

/** The frames of a libp2p stream with `remote`. @throws QvacError E_BAD_PEER if its key is not Ed25519 */
export function frameStream(stream: Stream, remote: PeerId, options: FrameStreamOptions = {}): LibP2PFrameStream {
  const publicKey = remote.publicKey?.raw;
  if (publicKey === undefined || remote.type !== 'Ed25519') {
    stream.abort(new Error('not an Ed25519 peer'));
    throw new QvacError('E_BAD_PEER', `${remote.toString()} has no Ed25519 key`);
  }
  return new LibP2PFrameStream(stream, { peer: remote.toString() as PeerIdString, publicKey }, options);
}

/** Runs a handler on a stream that the other side opened. Errors end that stream alone; never throws. */
export async function serveStream(
  frames: LibP2PFrameStream,
  protocol: string,
  handler: (stream: FrameStream) => Promise<void>,
  hooks: ServeHooks,
): Promise<void> {
  const { peer } = frames.remote;
  try {
    await handler(frames);
    await frames.close();
    await frames.linger(lingerMs);
  } catch (error) {
    const code = error instanceof QvacError ? error.code : 'E_BUG';
    if (code === 'E_BUG')
      hooks.logger.error('a handler failed', {
        protocol,
        peer,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    else hooks.logger.debug('a stream failed', { protocol, peer, code });
    if (code === 'E_BAD_PEER') hooks.onBadFrame(peer);
    await refuse(frames, code, error);
  }
}

/** Sends the last frame, if any, and ends the stream. */
async function refuse(frames: LibP2PFrameStream, code: string, error: unknown): Promise<void> {
  const frame = farewells[code];
  if (frame !== undefined) {
    const signal = AbortSignal.timeout(farewellMs);
    await frames.write(frame, { signal }).catch(() => undefined);
    // A reset that overtakes the frame would discard it.
    await frames.close({ signal });
    await frames.linger(farewellMs);
  }
  frames.abort(toError(error));
}
