import { messageOf, QvacError } from '../../errors.ts';
import { systemCode } from '../../lib/files.ts';

/** Why a dial failed, by the name of a libp2p error or the code of a system error. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no program listens there (connection refused)',
  EHOSTUNREACH: 'no route to that host',
  ENETUNREACH: 'no route to that network',
  ETIMEDOUT: 'no answer',
  ENOTFOUND: 'its host name is unknown',
  EAI_AGAIN: 'its host name cannot be looked up now',
  ECONNRESET: 'it closed the connection at once; it may be full, or refuse this peer',
  TimeoutError: 'no answer in time',
  AbortError: 'no answer in time',
  UnexpectedPeerError: 'another peer answers at that address',
  UnsupportedProtocolError: 'it does not speak this protocol, or does not offer this service',
  NoValidAddressesError: 'its addresses are not known',
  NotFoundError: 'its addresses are not known',
  DialDeniedError: 'this node has banned it for a while',
  ConnectionClosedError: 'it closed the connection at once; it may be full, or refuse this peer',
  ConnectionFailedError: 'the connection failed',
  MuxerClosedError: 'it closed the connection',
  StreamResetError: 'it refused; it may be busy, or not offer this service',
  StreamStateError: 'it closed the connection',
  TooManyOutboundProtocolStreamsError: 'too many requests to it are open already',
  LimitedConnectionError: 'only a relayed connection is open',
};

function textOf(error: unknown): string {
  return messageOf(error);
}

function codeOf(error: Error): string {
  if ('code' in error && typeof error.code === 'string' && error.code in reasons) return error.code;
  if (error.name === 'EncryptionFailedError' || error.name === 'UnexpectedPeerError')
    return handshakeCode(error.message);
  if (error.name in reasons) return error.name;
  return /\b(E[A-Z]{5,})\b/.exec(error.message)?.[1] ?? error.name;
}

/** Noise and the upgrader wrap all errors in one class; only the text tells them apart. */
function handshakeCode(message: string): string {
  if (/payload identity key|unexpected peer|does not match|different from expected/i.test(message))
    return 'UnexpectedPeerError';
  if (/timeout|timed out|abort/i.test(message)) return 'TimeoutError';
  return 'ECONNRESET';
}

/** libp2p rejects with the close event itself if a stream closes during a wait. */
function asThrown(error: unknown): unknown {
  if (!(error instanceof Event)) return error;
  if ('error' in error && error.error instanceof Error) return error.error;
  return Object.assign(new Error('the stream closed'), { name: 'ConnectionClosedError' });
}

const staleNames: ReadonlySet<string> = new Set([
  'ConnectionClosedError',
  'ConnectionClosingError',
  'MuxerClosedError',
  'StreamStateError',
  'UnexpectedEOFError',
]);

/** True if `thrown` means that an open connection has closed, so that a new one may work. */
export function isStaleConnection(thrown: unknown): boolean {
  const error = asThrown(thrown);
  if (!(error instanceof Error)) return false;
  return staleNames.has(error.name) || ['ECONNRESET', 'EPIPE'].includes(systemCode(error) ?? '');
}

/** True if the other side answered, but does not support the protocol. */
export function isUnsupported(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'UnsupportedProtocolError' || isUnsupported(error.cause);
}

/** An error of libp2p from dialling `who` or opening a stream to it, as E_NETWORK with the reason in one line. */
export function dialError(thrown: unknown, who: string): QvacError {
  const error = asThrown(thrown);
  if (error instanceof QvacError) return error;
  if (error instanceof AggregateError) {
    const errors = error.errors.filter((part) => part instanceof Error);
    // An address that refused says more than those that did not answer.
    const telling =
      errors.find((part) => reasons[codeOf(part)] !== undefined && codeOf(part) !== 'TimeoutError') ?? errors[0];
    return dialError(telling ?? new Error(textOf(error)), who);
  }
  const code = error instanceof Error ? codeOf(error) : '';
  if (/dial self/i.test(textOf(error)))
    return new QvacError('E_NETWORK', `${who} is this node itself`, { cause: error });
  // The open ones will end: the caller may wait, or try another peer.
  if (code === 'TooManyOutboundProtocolStreamsError')
    return new QvacError('E_BUSY', `${reasons[code]}: ${who}`, {
      hint: 'try again, or another provider',
      cause: error,
    });
  const why = reasons[code] ?? textOf(error).split('\n', 1)[0] ?? 'unknown reason';
  return new QvacError('E_NETWORK', `cannot reach ${who}: ${why}`, { cause: error });
}

/** An error of libp2p from starting to listen at `listen`. */
export function listenError(error: unknown, listen: readonly string[]): QvacError {
  if (error instanceof QvacError) return error;
  const text =
    error instanceof AggregateError ? [error, ...(error.errors as unknown[])].map(textOf).join(' ') : textOf(error);
  const where = listen.join(', ');
  if (text.includes('EADDRINUSE')) {
    return new QvacError('E_PORT_IN_USE', `another program already listens at ${where}`, {
      hint: 'choose another port, or leave out --listen for any free one',
      cause: error,
    });
  }
  if (text.includes('EACCES'))
    return new QvacError('E_CONFIG', `not allowed to listen at ${where}`, {
      hint: 'choose a port above 1023',
      cause: error,
    });
  if (text.includes('EADDRNOTAVAIL'))
    return new QvacError('E_CONFIG', `${where} is not an address of this machine`, {
      hint: 'leave out --listen for all addresses of this machine',
      cause: error,
    });
  return new QvacError('E_CONFIG', `cannot listen at ${where}: ${text.split('\n', 1)[0] ?? ''}`, { cause: error });
}
