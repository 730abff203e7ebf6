/**
 * Negotiating protocols without waiting. With multistream-select (https://github.com/multiformats/multistream-select),
 * a side that wants one protocol alone can send its first bytes right behind the proposal: the other side accepts by
 * repeating the proposal, and can do nothing else but refuse. Each wait would cost a round trip.
 */
import {
  type CreateStreamOptions,
  type MessageStream,
  type Stream,
  type StreamMuxer,
  UnsupportedProtocolError,
  type Upgrader,
} from '@libp2p/interface';
import { concat, equalBytes, utf8 } from '../../../lib/bytes.ts';

/** An option of `Connection.newStream`, which passes it on to the muxer. */
export interface EagerOption {
  /** Opens the stream without waiting until the other side agrees to the protocol. @default false */
  readonly eager?: boolean | undefined;
}

/** What libp2p's streams and connections have beyond their public interface. */
interface Receiver {
  onData(data: Parameters<MessageStream['push']>[0]): void;
}

/** Streams whose other side has not agreed to the protocol yet. */
const unanswered = new WeakSet<MessageStream>();

/** Whether the other side of an eagerly opened stream has not agreed to its protocol yet. */
export function isUnanswered(stream: Stream): boolean {
  return unanswered.has(stream);
}

/** Makes `upgrader` open handshakes as `encrypter` without waiting until the other side agrees to it. */
export function handshakeEagerly(upgrader: Upgrader, encrypter: string): void {
  const upgrade = upgrader.upgradeOutbound.bind(upgrader);
  const proposal = proposalOf(encrypter);
  const upgradeEagerly: Upgrader['upgradeOutbound'] = (connection, options) => {
    // The side that was dialled, or acts so, waits for the proposal.
    if (options?.initiator !== false) anticipate(connection, proposal);
    return upgrade(connection, options);
  };
  upgrader.upgradeOutbound = upgradeEagerly;
}

/** Makes `muxer` open streams eagerly that are asked for with `EagerOption`, as long as `isAlive` says so. */
export function withEagerStreams<Muxer extends StreamMuxer>(muxer: Muxer, isAlive: () => boolean): Muxer {
  const create = muxer.createStream.bind(muxer);
  muxer.createStream = async (options: CreateStreamOptions & EagerOption = {}) => {
    const stream = await create(options);
    const { protocol, eager = false } = options;
    if (!eager || protocol === undefined || !isAlive()) return stream;
    const proposal = proposalOf(protocol);
    stream.protocol = protocol;
    expect(stream as Stream & Receiver, proposal);
    stream.send(proposal);
    return stream;
  };
  return muxer;
}

/** The header and the proposal of one protocol. */
function proposalOf(protocol: string): Uint8Array {
  return concat(...['/multistream/1.0.0\n', `${protocol}\n`].map(utf8).map(withLength));
}

/** Names of protocols are shorter than 128 bytes: one byte is their length. */
function withLength(line: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(line.length), line);
}

/** Answers the proposal that libp2p is about to send on `connection` at once, in the place of the other side. */
function anticipate(connection: MessageStream, proposal: Uint8Array): void {
  const receiver = connection as MessageStream & Receiver;
  const send = connection.send.bind(connection);
  connection.send = (data) => {
    connection.send = send;
    const isProposal = equalBytes(data.subarray(), proposal);
    const more = send(data);
    if (!isProposal) return more;
    receiver.onData(proposal);
    expect(receiver, proposal);
    return more;
  };
}

/** Takes the answer off what `stream` receives, and resets the stream if it is not `proposal`. */
function expect(stream: MessageStream & Receiver, proposal: Uint8Array): void {
  const receive = stream.onData.bind(stream);
  let matched = 0;
  unanswered.add(stream);
  stream.onData = (data) => {
    const bytes = data.subarray();
    const part = proposal.subarray(matched, matched + bytes.length);
    if (!equalBytes(bytes.subarray(0, part.length), part)) return stream.abort(new UnsupportedProtocolError());
    matched += part.length;
    if (matched < proposal.length) return;
    stream.onData = receive;
    unanswered.delete(stream);
    receive(bytes.subarray(part.length));
  };
}
