import { createHash, randomBytes } from 'node:crypto';

/** Salted hashes that recognise the words of secrets. They reveal the lengths of the words, nothing else. */
export interface Fingerprints {
  readonly salt: string;
  readonly lengths: readonly number[];
  readonly hashes: readonly string[];
}

/** Shorter words occur by chance. */
const minWordLength = 4;
const word = /[^\s"'`=,;:&|()[\]{}<>\\]+/g;

/** The fingerprints of all words of these secrets. */
export function fingerprint(
  secrets: readonly string[],
  salt = randomBytes(16).toString('hex'),
): Fingerprints {
  const words = [...new Set(secrets.flatMap((secret) => secret.match(word) ?? []))].filter(
    ({ length }) => length >= minWordLength,
  );
  const lengths = [...new Set(words.map(({ length }) => length))];
  return { salt, lengths, hashes: words.map((each) => hash(each, salt)) };
}

/** Masks the words of these secrets in a text. */
export function fingerprintMasker({ salt, lengths, hashes }: Fingerprints): (text: string) => string {
  const known = new Set(hashes);
  const knownLengths = new Set(lengths);
  return (text) =>
    text.replaceAll(word, (each) =>
      knownLengths.has(each.length) && known.has(hash(each, salt)) ? '***' : each,
    );
}

function hash(text: string, salt: string): string {
  return createHash('sha256').update(salt).update(text).digest('base64');
}
