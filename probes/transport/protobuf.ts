import { Unhealthy } from '../probe.ts';

/**
 * The subset of protobuf that health checks need.
 * https://protobuf.dev/programming-guides/encoding/
 */

/** The fields of a message by number, each with all its values in order: numbers for varints, bytes for the other types. */
export type Fields = ReadonlyMap<number, readonly (number | Buffer)[]>;

/** Decodes one message. Throws an Unhealthy if the bytes are truncated or not protobuf. */
export function decode(message: Buffer): Fields {
  const fields = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined || scale > 2 ** 63) throw new Unhealthy('not a protobuf message');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const bytes = (length: number) => {
    if (at + length > message.length) throw new Unhealthy('the protobuf message is truncated');
    at += length;
    return message.subarray(at - length, at);
  };
  const value = (wireType: number) => {
    switch (wireType) {
      case 0:
        return varint();
      case 1:
        return bytes(8);
      case 2:
        return bytes(varint());
      case 5:
        return bytes(4);
      default:
        throw new Unhealthy(`not a protobuf message: wire type ${wireType}`);
    }
  };
  while (at < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const values = fields.get(number) ?? [];
    values.push(value(tag % 8));
    fields.set(number, values);
  }
  return fields;
}

/** The last value of a number, bool or enum field; 0 if absent, as in proto3. */
export function numberField(fields: Fields, number: number): number {
  const value = fields.get(number)?.at(-1);
  return typeof value === 'number' ? value : 0;
}

/** The last value of a string field; empty if absent. */
export function stringField(fields: Fields, number: number): string {
  return messagesField(fields, number).at(-1)?.toString('utf8') ?? '';
}

/** All values of a repeated message field. */
export function messagesField(fields: Fields, number: number): readonly Buffer[] {
  return (fields.get(number) ?? []).filter((value) => Buffer.isBuffer(value));
}

/** Encodes a message with one field of text or of an encoded message; its number is at most 15. Empty text is left out. */
export function encodeField(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length === 0) return bytes;
  const length: number[] = [];
  for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
    length.push((rest % 128) + (rest < 128 ? 0 : 128));
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), bytes]);
}
