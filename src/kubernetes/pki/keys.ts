import { createPrivateKey, generateKeyPair } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createFileAtomically } from '../../lib/atomicFile.ts';
import { privateMode, readIfThere } from './files.ts';

const generate = promisify(generateKeyPair);

/** The private key in a PEM text, or undefined when it is none that can be read. */
export function parseKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    // Why it cannot be read is OpenSSL's "DECODER routines::unsupported", which says nothing to anybody.
    return undefined;
  }
}

/**
 * The private key in `file`; made (ECDSA P-256, mode 0600) when there is none. Of several processes that make it at
 * once the first wins, and all get its key. Undefined when `file` holds something else.
 */
export async function ensureKey(file: string): Promise<KeyObject | undefined> {
  const found = await readIfThere(file);
  if (found !== undefined) return parseKey(found);
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  // SEC 1 ("EC PRIVATE KEY") is what every version of Kubernetes reads, for TLS and for service accounts.
  await createFileAtomically(file, privateKey.export({ type: 'sec1', format: 'pem' }).toString(), {
    mode: privateMode,
  });
  const onDisk = await readIfThere(file);
  return onDisk === undefined ? undefined : parseKey(onDisk);
}

/** Like {@link ensureKey}, for a key that nothing depends on: one that cannot be read is replaced. */
export async function ensureReplaceableKey(file: string): Promise<KeyObject | undefined> {
  const key = await ensureKey(file);
  if (key !== undefined) return key;
  await rm(file, { force: true });
  return ensureKey(file);
}
