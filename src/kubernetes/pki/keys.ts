import { createPrivateKey, generateKeyPair } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createFileAtomicallySync } from '../../lib/atomicFile.ts';
import { privateMode, readIfThere } from './files.ts';

const generate = promisify(generateKeyPair);

/** A private key, and the text of its file. */
export interface StoredKey {
  readonly key: KeyObject;
  readonly pem: string;
}

/** The private key in a PEM text, or undefined if the text is not a private key. */
export function parseKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's reason is "DECODER routines::unsupported", which helps nobody.
    return undefined;
  }
}

/**
 * The private key in `file`. Creates one (ECDSA P-256, mode 0600) if there is no file: of several processes that do so
 * concurrently, the first wins, and all get its key. Undefined if `file` holds something else.
 * `durable`: wait until it is on the disk, for a key that nothing can replace.
 */
export async function ensureKey(
  file: string,
  { durable = false }: { readonly durable?: boolean } = {},
): Promise<StoredKey | undefined> {
  const found = await readIfThere(file);
  if (found !== undefined) return stored(found);
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  // SEC 1 ("EC PRIVATE KEY") is what every version of Kubernetes reads, for TLS and for service accounts.
  const pem = privateKey.export({ type: 'sec1', format: 'pem' }).toString();
  createFileAtomicallySync(file, pem, { mode: privateMode, durable });
  const onDisk = await readIfThere(file);
  if (onDisk === pem) return { key: privateKey, pem };
  return onDisk === undefined ? undefined : stored(onDisk);
}

/** Like {@link ensureKey}, for a key that nothing depends on: replaces one that cannot be read. */
export async function ensureReplaceableKey(file: string): Promise<StoredKey | undefined> {
  const key = await ensureKey(file);
  if (key !== undefined) return key;
  await rm(file, { force: true });
  return ensureKey(file);
}

function stored(pem: string): StoredKey | undefined {
  const key = parseKey(pem);
  return key === undefined ? undefined : { key, pem };
}
