import type { Socket } from 'node:net';
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface';

/**
 * Makes `encrypter` write what is sent in one turn of the event loop at once. Noise writes the length and the bytes of
 * each message separately, and an answer's frames often follow each other: each write costs a system call and a packet.
 */
export function wholeWrites<Components>(
  encrypter: (components: Components) => ConnectionEncrypter,
): (components: Components) => ConnectionEncrypter {
  return (components) => {
    const inner = encrypter(components);
    return {
      protocol: inner.protocol,
      secureInbound: (connection, options) => inner.secureInbound(joined(connection), options),
      secureOutbound: (connection, options) => inner.secureOutbound(joined(connection), options),
    };
  };
}

function joined<Connection extends MessageStream>(connection: Connection): Connection {
  const send = connection.send.bind(connection);
  // The transport's own socket, which a connection through a relay does not have.
  const { socket } = connection as { readonly socket?: Socket };
  let corked = false;
  connection.send = (data) => {
    if (socket !== undefined && !corked) {
      corked = true;
      socket.cork();
      process.nextTick(() => {
        corked = false;
        socket.uncork();
      });
    }
    return send(data.subarray());
  };
  return connection;
}
