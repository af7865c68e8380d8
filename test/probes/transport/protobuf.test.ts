import { expect, test } from 'vitest';
import { Unhealthy } from '../../../probes/probe.ts';
import {
  decode,
  encodeField,
  messagesField,
  numberField,
  stringField,
} from '../../../probes/transport/protobuf.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

// The examples of https://protobuf.dev/programming-guides/encoding/
test('varint and string', () => {
  expect(numberField(decode(hex('089601')), 1)).toBe(150);
  expect(stringField(decode(hex('120774657374696e67')), 2)).toBe('testing');
  const nested = messagesField(decode(hex('1a03089601')), 3).map((one) => numberField(decode(one), 1));
  expect(nested).toEqual([150]);
});

test('absent fields are empty, the last of several values counts, unknown fields are skipped', () => {
  const fields = decode(hex('080108022dffffffff310102030405060708'));
  expect(numberField(fields, 1)).toBe(2);
  expect(numberField(fields, 7)).toBe(0);
  expect(stringField(fields, 1)).toBe('');
  expect(messagesField(fields, 7)).toEqual([]);
});

test.each(['08', '0a05616263', 'ffffffffffffffffffffff', '0b', '31010203'])(
  'invalid bytes are a reason: %s',
  (bytes) => {
    expect(() => decode(hex(bytes))).toThrow(Unhealthy);
  },
);

test('a message truncated anywhere is refused or shorter, and never hangs', () => {
  const whole = Buffer.concat([encodeField(1, 'RuntimeReady'), hex('1001'), encodeField(4, 'why')]);
  for (let length = 0; length < whole.length; length++) {
    const part = whole.subarray(0, length);
    try {
      expect(decode(part).size).toBeLessThan(3);
    } catch (error) {
      expect(error).toBeInstanceOf(Unhealthy);
    }
  }
});

test('encodes and decodes', () => {
  expect(stringField(decode(encodeField(1, 'my.Service')), 1)).toBe('my.Service');
  expect(encodeField(1, '')).toHaveLength(0);
  const long = 'x'.repeat(20_000);
  const nested = decode(encodeField(1, encodeField(2, long)));
  expect(stringField(decode(messagesField(nested, 1)[0]!), 2)).toBe(long);
});
