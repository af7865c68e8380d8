import { BaseBlock, Constructed, fromBER, ObjectIdentifier, Primitive, Sequence } from 'asn1js';
import type { ViewWriter } from 'asn1js';

// ASN.1 as certificates use it, in DER (X.690).

/** An element of ASN.1. */
export type Block = BaseBlock;

export function sequence(...value: Block[]): Block {
  return new Sequence({ value });
}

export function oid(value: string): Block {
  return new ObjectIdentifier({ value });
}

/** `block` with an explicit context tag. */
export function explicit(tagNumber: number, block: Block): Block {
  return new Constructed({ idBlock: { tagClass: 3, tagNumber }, value: [block] });
}

/** A primitive value with an implicit context tag. */
export function implicit(tagNumber: number, valueHex: Uint8Array): Block {
  return new Primitive({ idBlock: { tagClass: 3, tagNumber }, valueHex });
}

/** A block that is in DER already. */
export class Encoded extends BaseBlock {
  readonly #der: ArrayBuffer;

  constructor(der: Uint8Array) {
    super();
    this.#der = Uint8Array.from(der).buffer;
  }

  override toBER(_sizeOnly?: boolean, writer?: ViewWriter): ArrayBuffer {
    writer?.write(this.#der);
    return this.#der;
  }
}

export function encode(block: Block): Buffer {
  return Buffer.from(block.toBER());
}

export function decode(der: Uint8Array): Block {
  return fromBER(der).result;
}

/** The elements of a sequence, a set or an explicit tag. */
export function elements(block: Block | undefined): readonly Block[] {
  return block instanceof Constructed ? block.valueBlock.value : [];
}
