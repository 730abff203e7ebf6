import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

interface IgdRequest {
  readonly method: string;
  readonly path: string;
  /** The action of a SOAP request; null for the description. */
  readonly action: string | null;
  readonly body: string;
}

/** A router that speaks UPnP on loopback. */
export interface Igd {
  /** Of its description. */
  readonly location: URL;
  /** The requests so far: `GET /path`, `AddPortMapping 4001`. */
  readonly requests: readonly string[];
  /** The outside ports that it forwards, each with the inside port and its life in seconds. */
  readonly mappings: ReadonlyMap<number, { readonly port: number; readonly lifeSeconds: number }>;
}

export interface IgdInit {
  readonly serviceType?: string | undefined;
  readonly controlUrl?: string | undefined;
  /** Of the router itself. @default 11.77.0.1 */
  readonly outside?: string | undefined;
  /** Error codes of AddPortMapping, before the first that succeeds. */
  readonly refusals?: readonly number[] | undefined;
  /** Answers in the place of the router, or hangs, if it returns true. */
  readonly instead?: ((request: IgdRequest, response: ServerResponse) => boolean) | undefined;
}

const ipConnection = 'urn:schemas-upnp-org:service:WANIPConnection:1';

/** Starts a router that keeps the rules, but for what `init` changes. Stopped with the test. */
export async function startIgd(context: TestContext, init: IgdInit = {}): Promise<Igd> {
  const { serviceType = ipConnection, controlUrl = '/control', outside = '11.77.0.1', instead = () => false } = init;
  const requests: string[] = [];
  const mappings = new Map<number, { port: number; lifeSeconds: number }>();
  const refusals = [...(init.refusals ?? [])];
  const answer = (request: IgdRequest, response: ServerResponse): void => {
    const { action, body } = request;
    const outsidePort = Number(textIn(body, 'NewExternalPort'));
    requests.push(action === null ? `${request.method} ${request.path}` : `${action} ${outsidePort || ''}`.trim());
    if (instead(request, response)) return;
    if (action === null) return void response.end(description(serviceType, controlUrl));
    const refusal = action === 'AddPortMapping' ? refusals.shift() : undefined;
    if (refusal !== undefined) return void response.writeHead(500).end(fault(refusal));
    if (action === 'AddPortMapping') {
      const [port, lifeSeconds] = [textIn(body, 'NewInternalPort'), textIn(body, 'NewLeaseDuration')].map(Number);
      mappings.set(outsidePort, { port: port ?? 0, lifeSeconds: lifeSeconds ?? 0 });
    }
    if (action === 'DeletePortMapping') mappings.delete(outsidePort);
    response.end(`<s:Body><NewExternalIPAddress>${outside}</NewExternalIPAddress></s:Body>`);
  };
  const server = createServer((request, response) => void read(request).then((read) => answer(read, response)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { location: new URL(`http://127.0.0.1:${port}/description.xml`), requests, mappings };
}

async function read(request: IncomingMessage): Promise<IgdRequest> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const soap = String(request.headers.soapaction ?? '');
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    action: soap === '' ? null : (/#(\w+)"$/.exec(soap)?.[1] ?? ''),
    body: Buffer.concat(parts).toString(),
  };
}

function textIn(xml: string, element: string): string {
  return new RegExp(`<${element}>([^<]*)<`).exec(xml)?.[1] ?? '';
}

function description(serviceType: string, controlUrl: string): string {
  const other = '<service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType></service>';
  return `<?xml version="1.0"?><root><device><serviceList>${other}<service>
    <serviceType>${serviceType}</serviceType><controlURL>${controlUrl}</controlURL></service></serviceList></device></root>`;
}

function fault(code: number): string {
  return `<s:Body><s:Fault><detail><UPnPError><errorCode>${code}</errorCode></UPnPError></detail></s:Fault></s:Body>`;
}
