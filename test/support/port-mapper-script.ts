// Has the home router forward its one argument, a port at which it listens and greets. It prints the outside ports as
// {ports} whenever they change, and at a line of its input ends the forwarding and prints {}.
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { silentLogger } from '../../src/lib/log.ts';
import { PortMapper } from '../../src/node/peer/forwarding/port-mapper.ts';

const port = Number(process.argv[2]);
const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const mapper = new PortMapper({ logger: silentLogger }, (ports) => say({ ports }));
createServer((socket) => socket.end('hello')).listen(port, '0.0.0.0', () => mapper.tick([port]));
createInterface({ input: process.stdin }).on('line', () => void mapper.stop().then(() => say({})));
