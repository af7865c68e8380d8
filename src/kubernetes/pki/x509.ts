import {
  BitString,
  Boolean as Flag,
  GeneralizedTime,
  Integer,
  ObjectIdentifier,
  OctetString,
  PrintableString,
  Set as SetOf,
  UTCTime,
  Utf8String,
} from 'asn1js';
import { isIPv4 } from 'node:net';
import { decode, elements, encode, Encoded, explicit, implicit, oid, sequence } from '../../lib/der.ts';
import type { Block } from '../../lib/der.ts';
import { isAddress } from './leaves.ts';

// X.509 certificates in ASN.1 (RFC 5280, 4.1). Keys and signatures are made in sign.ts.

const oids = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const;

/** The bits of RFC 5280, 4.2.1.3, from the left. */
const keyUsages = { digitalSignature: 0x80, keyCertSign: 0x04, cRLSign: 0x02 } as const;

/** The signed part of a certificate: a TBSCertificate. */
export interface TbsCertificate {
  /** Positive, without leading zero bytes. */
  readonly serialNumber: Uint8Array;
  readonly issuer: Block;
  readonly subject: Block;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The public key as a SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array;
  readonly extensions: readonly Block[];
}

/** The bytes to sign with ECDSA and SHA-256. */
export function encodeTbs(certificate: TbsCertificate): Buffer {
  const { serialNumber, issuer, subject, notBefore, notAfter, spki, extensions } = certificate;
  return encode(
    sequence(
      // Version 3.
      explicit(0, new Integer({ value: 2 })),
      new Integer({ valueHex: serialNumber }),
      algorithm(),
      issuer,
      sequence(time(notBefore), time(notAfter)),
      subject,
      new Encoded(spki),
      explicit(3, sequence(...extensions)),
    ),
  );
}

/** A certificate as PEM. `tbs`: from {@link encodeTbs}; `signature`: its signature in DER. */
export function toPem(tbs: Uint8Array, signature: Uint8Array): string {
  const der = encode(sequence(new Encoded(tbs), algorithm(), new BitString({ valueHex: signature })));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/** The subject of a certificate in DER, with its string types as they are there, and its subject key identifier. */
export function parseSubject(der: Uint8Array): {
  readonly subject: Block;
  readonly keyId: Uint8Array | undefined;
} {
  const [tbs] = elements(decode(der));
  const [, , , , , subject, , ...optional] = elements(tbs);
  const list = optional.find(({ idBlock }) => idBlock.tagClass === 3 && idBlock.tagNumber === 3);
  const extensions = elements(elements(list)[0]).map(elements);
  const found = extensions.find(
    ([id]) => id instanceof ObjectIdentifier && id.getValue() === oids.subjectKeyId,
  );
  const value = found?.at(-1);
  const keyId = value instanceof OctetString ? decode(value.valueBlock.valueHexView) : undefined;
  if (subject === undefined) throw new TypeError('a certificate without a subject');
  return { subject, keyId: keyId instanceof OctetString ? keyId.valueBlock.valueHexView : undefined };
}

/** The bits of a public key, whose hash is its identifier (RFC 5280, 4.2.1.2). `spki`: a SubjectPublicKeyInfo in DER. */
export function publicKeyBits(spki: Uint8Array): Uint8Array {
  const [, bits] = elements(decode(spki));
  if (!(bits instanceof BitString)) throw new TypeError('a public key without bits');
  return bits.valueBlock.valueHexView;
}

/** A distinguished name: the organization, if there is one, then the common name. */
export function distinguishedName(commonName: string, organization?: string): Block {
  return sequence(
    ...(organization === undefined ? [] : [attribute(oids.organization, organization)]),
    attribute(oids.commonName, commonName),
  );
}

function attribute(type: string, text: string): Block {
  return new SetOf({ value: [sequence(oid(type), directoryString(text))] });
}

export function basicConstraints(isCa: boolean): Block {
  return extension(oids.basicConstraints, sequence(...(isCa ? [new Flag({ value: true })] : [])), 'critical');
}

export function keyUsage(...usages: readonly (keyof typeof keyUsages)[]): Block {
  const bits = usages.reduce((sum, usage) => sum | keyUsages[usage], 0);
  // DER leaves out trailing zero bits (X.690, 11.2.2).
  const unusedBits = 31 - Math.clz32(bits & -bits);
  return extension(oids.keyUsage, new BitString({ valueHex: Uint8Array.of(bits), unusedBits }), 'critical');
}

/** `purpose`: an OID. */
export function extendedKeyUsage(...purposes: readonly string[]): Block {
  return extension(oids.extendedKeyUsage, sequence(...purposes.map(oid)));
}

export function subjectKeyId(keyId: Uint8Array): Block {
  return extension(oids.subjectKeyId, new OctetString({ valueHex: keyId }));
}

export function authorityKeyId(keyId: Uint8Array): Block {
  return extension(oids.authorityKeyId, sequence(implicit(0, keyId)));
}

/** `names`: DNS names and IP addresses. */
export function subjectAltName(names: readonly string[]): Block {
  const general = names.map((name) =>
    isAddress(name) ? implicit(7, addressBytes(name)) : implicit(2, Buffer.from(name)),
  );
  return extension(oids.subjectAltName, sequence(...general));
}

function extension(id: string, value: Block, critical?: 'critical'): Block {
  const wrapped = new OctetString({ valueHex: encode(value) });
  return sequence(oid(id), ...(critical ? [new Flag({ value: true })] : []), wrapped);
}

function algorithm(): Block {
  return sequence(oid(oids.ecdsaWithSha256));
}

/** RFC 5280, 4.1.2.5: whole seconds, with a year of two digits until 2049. */
function time(date: Date): Block {
  const valueDate = new Date(Math.floor(date.getTime() / 1000) * 1000);
  return date.getUTCFullYear() < 2050 ? new UTCTime({ valueDate }) : new GeneralizedTime({ valueDate });
}

/** PrintableString if its characters allow it (X.680, 41.4), else UTF8String. */
function directoryString(value: string): Block {
  return /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value)
    ? new PrintableString({ value })
    : new Utf8String({ value });
}

function addressBytes(ip: string): Uint8Array {
  if (isIPv4(ip)) return Uint8Array.from(ip.split('.'), Number);
  // A URL normalizes IPv6: groups of hexadecimal digits, with at most one "::".
  const [before = '', after = ''] = new URL(`http://[${ip}]`).hostname.slice(1, -1).split('::');
  const [head, tail] = [groups(before), groups(after)];
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  return Buffer.from([...head, ...zeros, ...tail].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function groups(text: string): string[] {
  return text.split(':').filter(Boolean);
}
