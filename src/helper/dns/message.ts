import { DNSSEC_OK, decode, encode } from 'dns-packet';
import type { Answer, OptAnswer, RecordType } from 'dns-packet';

// The wire format is that of the library, with what it lacks: names that are written once (RFC 1035, 4.1.4), and messages
// that are cut to a size.

/** A resource record, except for OPT, which belongs to one hop. */
export type ResourceRecord = Exclude<Answer, OptAnswer>;

/** Response codes: RFC 1035, 4.1.1, and RFC 6891, 9. */
export const rcodes = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
};

/** What is asked. The name is as the client wrote it, without a dot at the end; the root is `.`. */
export interface Question {
  readonly name: string;
  /** The type's name, such as `A`, or `UNKNOWN_65`. */
  readonly type: string;
  /** `IN`, or another class, such as `CH`. */
  readonly class: string;
}

export interface Query {
  readonly id: number;
  /** RFC 1035, 4.1.1; 0 is a query. */
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  readonly question: Question;
  /** The question section as it came, to be returned unchanged. */
  readonly rawQuestion: Buffer;
  /** Of the OPT record; undefined if there is none (RFC 6891). */
  readonly edns:
    | { readonly version: number; readonly udpSize: number; readonly dnssecOk: boolean }
    | undefined;
}

export interface Reply {
  /** One of {@link rcodes}, or another one of an upstream server. */
  readonly rcode: number;
  readonly authoritative?: boolean;
  /** Of an upstream server that validates (RFC 4035, 3.2.3). */
  readonly authenticData?: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
}

/** A reply without records. */
export function emptyReply(rcode: number): Reply {
  return { rcode, answers: [], authorities: [], additionals: [] };
}

const headerBytes = 12;
const maxLabelBytes = 63;

/** A message that cannot be read; `id` is that of its header, undefined if it deserves no answer. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
  readonly id: number | undefined;

  constructor(message: string, id?: number, cause?: unknown) {
    super(message, { cause });
    this.id = id;
  }
}

/** Parses a query. @throws FormatError for a response, and for what is no query with one question */
export function parseQuery(packet: Buffer): Query {
  if (packet.length < headerBytes) throw new FormatError('shorter than a header');
  const id = packet.readUInt16BE(0);
  const flags = packet.readUInt16BE(2);
  // Never answer a response: two servers would answer each other for ever.
  if (flags >> 15 === 1) throw new FormatError('a response');
  const message = orFormatError(id, () => decode(packet));
  const [question, ...others] = message.questions ?? [];
  if (question === undefined || others.length > 0) throw new FormatError('not one question', id);
  const edns = message.additionals?.find((record) => record.type === 'OPT');
  return {
    id,
    opcode: (flags >> 11) & 0xf,
    recursionDesired: message.flag_rd,
    checkingDisabled: message.flag_cd,
    question: { name: question.name, type: question.type, class: String(question.class) },
    rawQuestion: packet.subarray(headerBytes, endOfQuestion(packet)),
    edns: edns && {
      version: edns.ednsVersion,
      udpSize: edns.udpPayloadSize,
      dnssecOk: (edns.flags & DNSSEC_OK) !== 0,
    },
  };
}

/** A query of our own for an upstream server. */
export function writeQuery(
  { question, checkingDisabled, edns }: Pick<Query, 'question' | 'checkingDisabled' | 'edns'>,
  id: number,
): Buffer {
  // Recursion desired, checking disabled.
  const flags = 0x01_00 | (checkingDisabled ? 0x10 : 0);
  const additionals = edns === undefined ? [] : [opt({ rcode: 0, dnssecOk: edns.dnssecOk })];
  const header = Buffer.alloc(headerBytes);
  [id, flags, 1, 0, 0, additionals.length].forEach((word, index) => header.writeUInt16BE(word, index * 2));
  return Buffer.concat([header, writeQuestion(question), ...additionals]);
}

export interface Response extends Reply {
  readonly truncated: boolean;
}

/** Parses the response to a query of our own. Undefined if it is none: of another id, or to another question. */
export function parseResponse(packet: Buffer, id: number, asked: Question): Response | undefined {
  if (packet.length < headerBytes || packet.readUInt16BE(0) !== id) return undefined;
  const flags = packet.readUInt16BE(2);
  if (flags >> 15 !== 1) return undefined;
  const message = orFormatError(id, () => decode(packet));
  const [question] = message.questions ?? [];
  const isSame = question?.name.toLowerCase() === asked.name.toLowerCase() && question.type === asked.type;
  // A server that cannot read the question may return none.
  if (question !== undefined && !isSame) return undefined;
  const edns = message.additionals?.find((record) => record.type === 'OPT');
  return {
    rcode: (flags & 0xf) | ((edns?.extendedRcode ?? 0) << 4),
    truncated: message.flag_tc,
    authenticData: message.flag_ad,
    answers: withoutOpt(message.answers),
    authorities: withoutOpt(message.authorities),
    additionals: withoutOpt(message.additionals),
  };
}

function withoutOpt(records: readonly Answer[] = []): ResourceRecord[] {
  return records.filter((record) => record.type !== 'OPT');
}

/** The size of a UDP message that passes any Ethernet unfragmented (DNS flag day 2020), in bytes: what we send and accept. */
const maxUdpBytes = 1232;

/** The bytes that a UDP response to this query may have. */
export function udpLimit({ edns }: Pick<Query, 'edns'>): number {
  return edns === undefined ? 512 : Math.min(Math.max(edns.udpSize, 512), maxUdpBytes);
}

/**
 * The response to a query, at most `limit` bytes long. What does not fit is left out; if that is an answer, the response is
 * marked as truncated, and the client asks again by TCP.
 */
export function writeResponse(
  query: Query,
  reply: Reply,
  { limit, recursionAvailable }: { readonly limit: number; readonly recursionAvailable: boolean },
): Buffer {
  const { rcode, answers, authorities, additionals } = reply;
  const end = query.edns === undefined ? [] : [opt({ rcode, dnssecOk: query.edns.dnssecOk })];
  const message = new MessageWriter(query, limit - bytesOf(end));
  const isWhole = message.add('answers', answers) && message.add('authorities', authorities);
  if (isWhole) message.add('additionals', additionals);
  const flags =
    0x80_00 |
    (query.opcode << 11) |
    (reply.authoritative === true ? 0x04_00 : 0) |
    (isWhole ? 0 : 0x02_00) |
    (query.recursionDesired ? 0x01_00 : 0) |
    (recursionAvailable ? 0x80 : 0) |
    (reply.authenticData === true ? 0x20 : 0) |
    (query.checkingDisabled ? 0x10 : 0) |
    (rcode & 0xf);
  return message.finish(query.id, flags, end);
}

/** The answer to what cannot be read, from its header alone. */
export function writeFormatError(id: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x80_00 | rcodes.formatError, 2);
  return header;
}

type Section = 'answers' | 'authorities' | 'additionals';

/** Collects the sections of a response up to a limit. */
class MessageWriter {
  readonly #parts: Buffer[];
  readonly #limit: number;
  readonly #counts: Record<Section, number> = { answers: 0, authorities: 0, additionals: 0 };
  /** Where the names of records begin that were written, in lower case. */
  readonly #names = new Map<string, number>();
  #bytes: number;

  constructor({ question, rawQuestion }: Query, limit: number) {
    this.#parts = [rawQuestion];
    this.#bytes = headerBytes + rawQuestion.length;
    this.#limit = limit;
    // With the client's own upper and lower case.
    this.#names.set(question.name.toLowerCase(), headerBytes);
  }

  /** Adds the records that fit. Returns whether all did. */
  add(section: Section, records: readonly ResourceRecord[]): boolean {
    for (const record of records) {
      const name = record.name.toLowerCase();
      const at = this.#names.get(name);
      const bytes = at === undefined ? writeRecord(record) : withPointer(record, at);
      if (this.#bytes + bytes.length > this.#limit) return false;
      // A pointer has 14 bits.
      if (at === undefined && this.#bytes < 0x40_00) this.#names.set(name, this.#bytes);
      this.#parts.push(bytes);
      this.#bytes += bytes.length;
      this.#counts[section] += 1;
    }
    return true;
  }

  finish(id: number, flags: number, opts: readonly Buffer[]): Buffer {
    const { answers, authorities, additionals } = this.#counts;
    const header = Buffer.alloc(headerBytes);
    [id, flags, 1, answers, authorities, additionals + opts.length].forEach((word, index) =>
      header.writeUInt16BE(word, index * 2),
    );
    return Buffer.concat([header, ...this.#parts, ...opts]);
  }
}

/** The record with a pointer to its name, which is at `at` in the message. */
function withPointer(record: ResourceRecord, at: number): Buffer {
  const pointer = Buffer.alloc(2);
  pointer.writeUInt16BE(0xc0_00 | at);
  // The root is one byte.
  return Buffer.concat([pointer, writeRecord({ ...record, name: '.' }).subarray(1)]);
}

function writeRecord(record: Answer): Buffer {
  return encode({ type: 'response', answers: [record] }).subarray(headerBytes);
}

function writeQuestion({ name, type, class: klass }: Question): Buffer {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library also takes the names it gives to other types
  const question = { name, type: type as RecordType, class: klass as 'IN' };
  return encode({ type: 'query', questions: [question] }).subarray(headerBytes);
}

function opt({ rcode, dnssecOk }: { readonly rcode: number; readonly dnssecOk: boolean }): Buffer {
  const flags = dnssecOk ? DNSSEC_OK : 0;
  return writeRecord({
    type: 'OPT',
    name: '.',
    udpPayloadSize: maxUdpBytes,
    extendedRcode: rcode >> 4,
    ednsVersion: 0,
    flags,
    flag_do: dnssecOk,
    options: [],
  });
}

function bytesOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** Where the one question ends. Before its name is nothing to which it may point. */
function endOfQuestion(packet: Buffer): number {
  let at = headerBytes;
  for (let length = packet[at]; length !== 0; length = packet[at]) {
    if (length === undefined || length > maxLabelBytes) throw new FormatError('a pointer in the question');
    at += length + 1;
  }
  return at + 5;
}

function orFormatError<Result>(id: number, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    throw new FormatError('not a DNS message', id, cause);
  }
}
