import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { assertRoot } from '../host/root.ts';
import { ifRunning, locateNode } from '../instance/locateNode.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import {
  encryptionFile,
  isSettled,
  readEncryption,
  withNewKey,
  writeEncryption,
} from '../kubernetes/encryption.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { flock } from '../lib/flock.ts';
import { restart } from './componentCommands.ts';

interface RotateOptions {
  readonly name: string;
  readonly dataDir?: string;
  readonly timeout: string;
}

/**
 * `k8s-single encryption rotate`: a new key for the Secrets. Resolves when every Secret is encrypted with it and the old one is
 * gone; of a node that is down, the next `up` does that.
 * @throws Failure `preflight` when the Secrets are not encrypted, or a rotation is not complete
 */
export async function rotateEncryptionKey({ timeout, ...node }: RotateOptions): Promise<number> {
  assertRoot();
  const paths = await locateNode(node);
  const file = encryptionFile(paths);
  addKey(file, node, await lockOf(paths.apiserver));
  if ((await ifRunning(async () => readNodeFile(node.name))) === undefined) {
    console.error(`node ${node.name} is down: its next start encrypts all Secrets with the new key`);
    return exitCodes.ok;
  }
  await restart('apiserver', { name: node.name, timeout });
  const state = readEncryption(file);
  if (state !== undefined && isSettled(state)) {
    console.error('all Secrets are encrypted with the new key, and the old one is gone');
    return exitCodes.ok;
  }
  throw new Failure('notReady', 'not all Secrets are encrypted with the new key yet: the old one stays', {
    hint: `see why: ${nodeCommand('status', node)}`,
  });
}

function addKey(file: string, node: { readonly name: string }, lock: Disposable): void {
  using _ = lock;
  const current = readEncryption(file);
  if (current === undefined) {
    throw new Failure('preflight', `the Secrets of node ${node.name} are not encrypted`, {
      hint: 'write "encryption: true" into its config, and start it again',
    });
  }
  if (!isSettled(current)) {
    throw new Failure('preflight', 'not all Secrets are encrypted with the last key yet', {
      hint: `wait until it is ready: ${nodeCommand('status', node, '--wait')}`,
    });
  }
  writeEncryption(file, withNewKey(current));
}

/** Of two commands at the same time, one would lose the other's key. */
async function lockOf(folder: string): Promise<Disposable> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fd = openSync(join(folder, 'rotate.lock'), 'a', 0o600);
  if (await flock(fd)) return { [Symbol.dispose]: () => closeSync(fd) };
  closeSync(fd);
  throw new Failure('preflight', 'another command is making a new key');
}
