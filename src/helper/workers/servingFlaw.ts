import { ObjectIdentifier, OctetString, PrintableString, Utf8String } from 'asn1js';
import { decode, elements } from '../../lib/der.ts';
import type { Block } from '../../lib/der.ts';
import type { ClusterNode } from './node.ts';
import type { CertificateRequest } from './request.ts';

// Loaded only for a request, because of its library.

const oids = {
  organization: '2.5.4.10',
  commonName: '2.5.4.3',
  extensionRequest: '1.2.840.113549.1.9.14',
  subjectAltName: '2.5.29.17',
} as const;

const allowedUsages = new Set(['digital signature', 'key encipherment', 'server auth']);
const userPrefix = 'system:node:';

interface Cluster {
  readonly nodes: Iterable<ClusterNode>;
  /** Names and addresses that no node may have: those of the API server, and loopback. */
  readonly reserved: readonly string[];
}

/**
 * Why a request for a kubelet's serving certificate is not approved; undefined if it may be: it asks for the requester's own name,
 * and for names and addresses that are the node's and nobody else's. What a node says of its addresses is its own word, so those of
 * others do not count, whatever it says.
 */
export function servingFlaw(request: CertificateRequest, { nodes, reserved }: Cluster): string | undefined {
  const { username, groups, usages, pem } = request;
  const name = username.startsWith(userPrefix) ? username.slice(userPrefix.length) : '';
  if (name === '' || !groups.includes('system:nodes')) return `${username} is no node`;
  const all = [...nodes];
  const own = all.find((node) => node.name === name);
  if (own === undefined) return `there is no Node ${name}`;
  if (!usages.includes('server auth') || usages.some((usage) => !allowedUsages.has(usage)))
    return `it is for ${usages.join(', ')}`;
  const asked = readPkcs10(pem);
  if (typeof asked === 'string') return asked;
  const expected = [`${oids.commonName}=${username}`, `${oids.organization}=system:nodes`];
  if (asked.subject.toSorted().join() !== expected.toSorted().join())
    return 'its subject is not that of the node';
  if (asked.names.length === 0) return 'it is for no address';
  const foreign = asked.names.find(
    (each) => reserved.includes(each) || !all.every((node) => isOf(node, each) === (node === own)),
  );
  return foreign === undefined ? undefined : `${foreign} is not an address of node ${name} alone`;
}

function isOf(node: ClusterNode, name: string): boolean {
  return name === node.name || node.addresses.includes(name);
}

interface Pkcs10 {
  /** Such as `2.5.4.3=system:node:w1`. */
  readonly subject: readonly string[];
  /** The DNS names and IPv4 addresses. */
  readonly names: readonly string[];
}

/** What a certification request (RFC 2986) asks for; a reason if it cannot be read, or asks for anything else. */
function readPkcs10(pem: string): Pkcs10 | string {
  const body = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([\s\S]*?)-----END/.exec(pem)?.[1] ?? '';
  const [info] = elements(decode(Buffer.from(body, 'base64')));
  const [, subject, , attributes] = elements(info);
  if (subject === undefined) return 'it cannot be read';
  const parts = elements(subject).flatMap(elements).map(elements);
  const names: string[] = [];
  for (const [type, values] of elements(attributes).map(elements)) {
    if (idOf(type) !== oids.extensionRequest) return 'it asks for more than a name';
    for (const extension of elements(values).flatMap(elements).map(elements)) {
      const value = extension.at(-1);
      if (idOf(extension[0]) !== oids.subjectAltName || !(value instanceof OctetString))
        return 'it asks for more than a name';
      for (const name of elements(decode(value.valueBlock.valueHexView))) {
        const text = generalName(name);
        if (text === undefined) return 'it asks for a name that is neither a DNS name nor an IPv4 address';
        names.push(text);
      }
    }
  }
  return { subject: parts.map(([type, value]) => `${idOf(type)}=${textOf(value)}`), names };
}

function idOf(block: Block | undefined): string {
  return block instanceof ObjectIdentifier ? block.getValue() : '';
}

function textOf(block: Block | undefined): string {
  return block instanceof PrintableString || block instanceof Utf8String ? block.getValue() : '';
}

/** A GeneralName (RFC 5280, 4.2.1.6) that is a DNS name or an IPv4 address. */
function generalName(block: Block): string | undefined {
  const { tagClass, tagNumber } = block.idBlock;
  const bytes = Buffer.from(
    block.valueBeforeDecodeView.subarray(block.idBlock.blockLength + block.lenBlock.blockLength),
  );
  if (tagClass !== 3) return undefined;
  if (tagNumber === 2) return bytes.toString('latin1');
  return tagNumber === 7 && bytes.length === 4 ? bytes.join('.') : undefined;
}
