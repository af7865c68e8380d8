import { readFileSync } from 'node:fs';
import { Failure, reasonOf } from '../../lib/errors.ts';

/**
 * The passphrase in a file: its first line.
 * @throws Failure `usage` if there is none
 */
export function readPassphrase(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Failure('usage', `cannot read the passphrase: ${reasonOf(cause)}`, { cause });
  }
  const [passphrase = ''] = text.split(/\r?\n/);
  if (passphrase === '') throw new Failure('usage', `${file} has no passphrase in its first line`);
  return passphrase;
}
