import { request } from 'node:http';
import { messageOf, QvacError } from '../../../errors.ts';
import { maxAnswerBytes, maxServices } from './constants.ts';

/**
 * The description of an Internet Gateway Device, and actions of its service that forwards ports (UPnP Device
 * Architecture 1.1; WANIPConnection:1 and :2, WANPPPConnection:1). Answers are read up to a bound, as text: the few
 * elements that matter have neither attributes nor nested elements.
 */

/** The services that forward ports, the preferred one first. */
const serviceTypes = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
] as const;

export interface MappingService {
  readonly type: (typeof serviceTypes)[number];
  /** At the gateway's address. */
  readonly control: URL;
}

/** A router refused an action. */
export class ActionError extends QvacError {
  /** Of the action. 0 if the router names none. */
  readonly upnpCode: number;

  constructor(action: string, upnpCode: number, status: number) {
    super('E_NETWORK', `the router refuses ${action}: ${upnpCode > 0 ? `error ${upnpCode}` : `status ${status}`}`);
    this.upnpCode = upnpCode;
  }
}

/**
 * The service of the device whose description is at `location`.
 * @throws QvacError E_NETWORK if there is none at the gateway's address
 */
export async function mappingService(gateway: string, location: URL, signal: AbortSignal): Promise<MappingService> {
  requireOwn(gateway, location);
  const { status, text } = await ask(location, { method: 'GET', headers: {}, body: '' }, signal);
  if (status !== 200) throw new QvacError('E_NETWORK', `the router does not describe itself: status ${status}`);
  const base = textIn(text, 'URLBase') || location.href;
  const services = text
    .split('<service>')
    .slice(1, 1 + maxServices)
    .map((each) => each.split('</service>', 1)[0] ?? '');
  for (const type of serviceTypes) {
    const service = services.find((each) => textIn(each, 'serviceType') === type);
    if (service === undefined) continue;
    const control = urlOf(textIn(service, 'controlURL'), base);
    requireOwn(gateway, control);
    return { type, control };
  }
  throw new QvacError('E_NETWORK', 'the router has no service that forwards ports');
}

/** @returns the texts of the answer's elements @throws ActionError; QvacError E_NETWORK; the signal's reason */
export async function act(
  { type, control }: MappingService,
  action: string,
  values: Readonly<Record<string, string | number>>,
  signal: AbortSignal,
): Promise<(element: string) => string> {
  const fields = Object.entries(values).map(([name, value]) => `<${name}>${value}</${name}>`);
  const body =
    '<?xml version="1.0"?>\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${type}">${fields.join('')}</u:${action}></s:Body></s:Envelope>\n`;
  const headers = { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: `"${type}#${action}"` };
  const { status, text } = await ask(control, { method: 'POST', headers, body }, signal);
  if (status !== 200)
    throw new ActionError(action, Number(/^\d{1,5}$/.exec(textIn(text, 'errorCode'))?.[0] ?? 0), status);
  return (element) => textIn(text, element);
}

/** A request to the gateway alone: it follows no redirect. */
function ask(
  url: URL,
  {
    method,
    headers,
    body,
  }: { readonly method: string; readonly headers: Record<string, string>; readonly body: string },
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const length = { 'Content-Length': Buffer.byteLength(body), Connection: 'close' };
    const sent = request(url, { method, headers: { ...headers, ...length }, agent: false, signal }, (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes > maxAnswerBytes) sent.destroy(new Error(`it sends more than ${maxAnswerBytes} bytes`));
        else parts.push(part);
      });
      response.on('error', fail);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
    });
    const fail = (error: Error): void =>
      reject(
        new QvacError('E_NETWORK', `the router does not answer as it should: ${messageOf(error)}`, { cause: error }),
      );
    sent.on('error', fail);
    sent.end(body);
  });
}

/** The text of the first element of that name, empty without one. */
function textIn(xml: string, element: string): string {
  const at = xml.indexOf(`<${element}>`);
  if (at < 0) return '';
  const start = at + element.length + 2;
  const end = xml.indexOf('<', start);
  return end < 0 ? '' : xml.slice(start, end).trim().replaceAll('&amp;', '&');
}

function urlOf(text: string, base: string): URL {
  try {
    return new URL(text, base);
  } catch {
    throw new QvacError('E_NETWORK', 'the router names no usable address of its service');
  }
}

/** @throws QvacError E_NETWORK unless `url` is at the gateway's address */
function requireOwn(gateway: string, { protocol, hostname }: URL): void {
  if (protocol !== 'http:' || hostname !== gateway)
    throw new QvacError('E_NETWORK', 'the router names an address that is not its own');
}
