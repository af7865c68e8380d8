import * as fc from 'fast-check';

/** A change to an input. Positions are in 1/65536 of its length, so that they fit each one. */
type Mutation =
  | {
      readonly what: 'delete' | 'repeat';
      readonly at: number;
      readonly bytes: number;
      readonly times: number;
    }
  | {
      readonly what: 'insert';
      readonly at: number;
      readonly text: Uint8Array | string;
      readonly times: number;
    }
  | { readonly what: 'flip'; readonly at: number; readonly bit: number }
  | {
      readonly what: 'splice';
      readonly at: number;
      readonly other: number;
      readonly from: number;
      readonly bytes: number;
    };

const position = fc.nat(65_535);
const someBytes = fc.oneof(fc.nat(16), fc.nat(300));
const times = fc.oneof(
  { weight: 6, arbitrary: fc.constant(1) },
  { weight: 1, arbitrary: fc.nat(50) },
  { weight: 1, arbitrary: fc.constantFrom(1000, 20_000) },
);

/** Real inputs, each changed in up to six places, and at most `maxBytes` long. */
export function mutated(
  seeds: readonly Buffer[],
  words: readonly string[],
  maxBytes: number,
): fc.Arbitrary<Buffer> {
  const mutation: fc.Arbitrary<Mutation> = fc.oneof(
    fc.record({
      what: fc.constantFrom('delete' as const, 'repeat' as const),
      at: position,
      bytes: someBytes,
      times,
    }),
    fc.record({
      what: fc.constant('insert' as const),
      at: position,
      text: fc.oneof(fc.constantFrom('', ...words), fc.uint8Array({ maxLength: 8 })),
      times,
    }),
    fc.record({ what: fc.constant('flip' as const), at: position, bit: fc.nat(7) }),
    fc.record({
      what: fc.constant('splice' as const),
      at: position,
      other: fc.nat(seeds.length - 1),
      from: position,
      bytes: someBytes,
    }),
  );
  return fc
    .tuple(fc.nat(seeds.length - 1), fc.array(mutation, { maxLength: 6 }))
    .map(([seed, mutations]) =>
      mutations
        .reduce((input, each) => mutate(input, each, { seeds, maxBytes }), seeds[seed]!)
        .subarray(0, maxBytes),
    );
}

interface Bounds {
  readonly seeds: readonly Buffer[];
  readonly maxBytes: number;
}

function mutate(input: Buffer, mutation: Mutation, { seeds, maxBytes }: Bounds): Buffer {
  const at = offset(input, mutation.at);
  const [before, after] = [input.subarray(0, at), input.subarray(at)];
  switch (mutation.what) {
    case 'delete':
      return Buffer.concat([before, after.subarray(mutation.bytes)]);
    case 'repeat':
      return Buffer.concat([
        before,
        repeated(after.subarray(0, mutation.bytes), mutation.times, maxBytes),
        after,
      ]);
    case 'insert':
      return Buffer.concat([before, repeated(Buffer.from(mutation.text), mutation.times, maxBytes), after]);
    case 'flip': {
      const changed = Buffer.from(input);
      if (at < changed.length) changed[at]! ^= 1 << mutation.bit;
      return changed;
    }
    case 'splice': {
      const other = seeds[mutation.other]!;
      const from = offset(other, mutation.from);
      return Buffer.concat([before, other.subarray(from, from + mutation.bytes), after]);
    }
    default:
      return mutation satisfies never;
  }
}

function offset(input: Buffer, at: number): number {
  return Math.floor((at / 65_536) * (input.length + 1));
}

function repeated(part: Buffer, count: number, maxBytes: number): Buffer {
  const fitting = part.length === 0 ? 0 : Math.min(count, Math.ceil(maxBytes / part.length));
  return Buffer.concat(Array.from({ length: fitting }, () => part));
}
