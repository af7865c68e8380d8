import { createHash, randomBytes } from 'node:crypto';

/** By which a secret is recognised, and nothing is learnt of it but the lengths of its words. */
export interface Fingerprints {
  readonly salt: string;
  readonly lengths: readonly number[];
  readonly hashes: readonly string[];
}

/** Shorter ones occur by chance. */
const shortestWord = 4;
const word = /[^\s"'`=,;:&|()[\]{}<>\\]+/g;

/** The fingerprints of all words of these secrets. */
export function fingerprint(
  secrets: readonly string[],
  salt = randomBytes(16).toString('hex'),
): Fingerprints {
  const words = [...new Set(secrets.flatMap((secret) => secret.match(word) ?? []))].filter(
    ({ length }) => length >= shortestWord,
  );
  const lengths = [...new Set(words.map(({ length }) => length))];
  return { salt, lengths, hashes: words.map((each) => hash(each, salt)) };
}

/** Masks in a text the words of the secrets that these are the fingerprints of. */
export function fingerprintMasker({ salt, lengths, hashes }: Fingerprints): (text: string) => string {
  const known = new Set(hashes);
  const suspicious = new Set(lengths);
  return (text) =>
    text.replaceAll(word, (each) =>
      suspicious.has(each.length) && known.has(hash(each, salt)) ? '***' : each,
    );
}

function hash(text: string, salt: string): string {
  return createHash('sha256').update(salt).update(text).digest('base64');
}
