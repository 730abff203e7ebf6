import { messageOf, QvacError } from '../../errors.ts';

/** Names of libp2p errors, and codes of system errors, → why nothing came of a dial. `{who}` is the peer or address. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there (connection refused)',
  EHOSTUNREACH: 'no route to that host',
  ENETUNREACH: 'no route to that network',
  ETIMEDOUT: 'no answer',
  ENOTFOUND: 'its host name is unknown',
  EAI_AGAIN: 'its host name cannot be looked up now',
  ECONNRESET: 'it hung up at once; it may be full, or refuse this peer',
  TimeoutError: 'no answer in time',
  AbortError: 'no answer in time',
  UnexpectedPeerError: 'another peer answers at that address',
  UnsupportedProtocolError: 'it does not speak this protocol, or does not offer this service',
  NoValidAddressesError: 'no address of it is known',
  NotFoundError: 'no address of it is known',
  DialDeniedError: 'this peer is banned here for a while',
  ConnectionClosedError: 'it hung up at once; it may be full, or refuse this peer',
  ConnectionFailedError: 'the connection failed',
  MuxerClosedError: 'it hung up',
  StreamResetError: 'it refused; it may be busy, or not offer this service',
  StreamStateError: 'it hung up',
  TooManyOutboundProtocolStreamsError: 'too many requests to it are open already',
  LimitedConnectionError: 'only a relayed connection to it is open',
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

/** Noise and the upgrader wrap whatever went wrong in one class; only the text tells them apart. */
function handshakeCode(message: string): string {
  if (/payload identity key|unexpected peer|does not match|different from expected/i.test(message))
    return 'UnexpectedPeerError';
  if (/timeout|timed out|abort/i.test(message)) return 'TimeoutError';
  return 'ECONNRESET';
}

/** libp2p rejects with the close event itself where a stream closes while it waits. */
function asThrown(error: unknown): unknown {
  if (!(error instanceof Event)) return error;
  if ('error' in error && error.error instanceof Error) return error.error;
  return Object.assign(new Error('the stream closed'), { name: 'ConnectionClosedError' });
}

/** True where `error` says that a connection that was open is not any more, so that a fresh one may do better. */
export function isStaleConnection(thrown: unknown): boolean {
  const error = asThrown(thrown);
  return (
    error instanceof Error &&
    [
      'ConnectionClosedError',
      'ConnectionClosingError',
      'MuxerClosedError',
      'StreamStateError',
      'UnexpectedEOFError',
    ].includes(error.name)
  );
}

/** True where the other side answered, but does not speak the protocol that was asked for. */
export function isUnsupported(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'UnsupportedProtocolError' || isUnsupported(error.cause);
}

/** What libp2p threw while dialling `who` or opening a stream to it, as E_NETWORK with one line that says why. */
export function dialError(thrown: unknown, who: string): QvacError {
  const error = asThrown(thrown);
  if (error instanceof QvacError) return error;
  if (error instanceof AggregateError) {
    const errors = error.errors.filter((part) => part instanceof Error);
    // The address that answered, if only to refuse, tells more than those that did not.
    const telling =
      errors.find((part) => reasons[codeOf(part)] !== undefined && codeOf(part) !== 'TimeoutError') ?? errors[0];
    return dialError(telling ?? new Error(textOf(error)), who);
  }
  const code = error instanceof Error ? codeOf(error) : '';
  if (/dial self/i.test(textOf(error)))
    return new QvacError('E_NETWORK', `${who} is this node itself`, { cause: error });
  // Those that are open will end: whoever asks may wait, or turn to another.
  if (code === 'TooManyOutboundProtocolStreamsError')
    return new QvacError('E_BUSY', `${reasons[code]}: ${who}`, {
      hint: 'try again, or another provider',
      cause: error,
    });
  const why = reasons[code] ?? textOf(error).split('\n', 1)[0] ?? 'unknown reason';
  return new QvacError('E_NETWORK', `cannot reach ${who}: ${why}`, { cause: error });
}

/** What libp2p threw while it began to listen at `listen`. */
export function listenError(error: unknown, listen: readonly string[]): QvacError {
  if (error instanceof QvacError) return error;
  const text =
    error instanceof AggregateError ? [error, ...(error.errors as unknown[])].map(textOf).join(' ') : textOf(error);
  const where = listen.join(', ');
  if (text.includes('EADDRINUSE')) {
    return new QvacError('E_PORT_IN_USE', `another program listens at ${where} already`, {
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
