import type { AbortOptions, PeerIdString } from '../lib/types.ts';
import type { Frame, FrameType } from '../protocol/frames.ts';

/**
 * Frames over one libp2p stream, with back-pressure both ways. A stream whose other side is killed never looks like a
 * clean end: `read` throws.
 */
export interface FrameStream {
  /** Whose stream it is, as authenticated by Noise. */
  readonly remote: { readonly peer: PeerIdString; /** raw 32-byte Ed25519 key */ readonly publicKey: Uint8Array };
  /**
   * The next frame, or null at the other side's clean end.
   * @throws QvacError E_TRUNCATED where the connection broke, E_BAD_PEER for a frame that is oversized, malformed or not
   * one of `allowed`
   */
  read(allowed: readonly FrameType[], options?: AbortOptions): Promise<Frame | null>;
  /** Waits while the other side does not read. @throws QvacError E_TRUNCATED where the connection broke */
  write(frame: Frame, options?: AbortOptions): Promise<void>;
  /** Ends our side after what was written. */
  close(options?: AbortOptions): Promise<void>;
  /** Resets the stream at once. Never throws. */
  abort(reason: Error): void;
}
