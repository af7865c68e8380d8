import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { at, listAt, parseJson, textAt } from '../../probes/transport/json.ts';
import { syncToDiskSync, writeFileAtomicallySync } from '../lib/atomicFile.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import type { Paths } from '../lib/paths.ts';
import { hasErrorCode } from '../lib/systemError.ts';

/** A key of the provider `secretbox` (XSalsa20 and Poly1305): 32 bytes in base64. */
interface Key {
  /** Stored with each Secret. */
  readonly name: string;
  readonly secret: string;
}

/**
 * How the API server reads and writes Secrets, as its file on the disk: an EncryptionConfiguration.
 *
 *     no file ---- on ----> [new, plain] --- all rewritten ---> [new]
 *     [key] --- rotate ---> [new, key] ----- all rewritten ---> [new]
 *     [key] ---- off -----> [plain, key] --- all rewritten ---> no file
 *
 * The first writes, all read. Each arrow is one rename that has reached the disk before it is used. A key leaves the file only when
 * an API server that has read the state before has rewritten every Secret: a crash at any moment leaves a state in which all
 * Secrets can be read, and the next start goes on from there.
 */
export interface Encryption {
  /** The first is the newest. Never empty. */
  readonly keys: readonly Key[];
  /** Whether Secrets that are not encrypted are `written`, only `read`, or neither. */
  readonly plain: 'written' | 'read' | 'no';
}

/** The file with the keys. */
export function encryptionFile(paths: Pick<Paths, 'apiserver'>): string {
  return join(paths.apiserver, 'encryption.json');
}

/** Whether no Secret is left to be rewritten. */
export function isSettled({ keys, plain }: Encryption): boolean {
  return keys.length === 1 && plain === 'no';
}

/** The state with which the API server is to start; undefined without encryption. */
function encryptionFor(current: Encryption | undefined, isOn: boolean): Encryption | undefined {
  if (current === undefined) return isOn ? { keys: [newKey()], plain: 'read' } : undefined;
  if (!isOn) return { ...current, plain: 'written' };
  return current.plain === 'written' ? { ...current, plain: 'read' } : current;
}

/** The state that writes with a new key. */
export function withNewKey(current: Encryption): Encryption {
  return { ...current, keys: [newKey(), ...current.keys] };
}

/** The state after all Secrets have been rewritten; undefined: the file can be removed. */
function finished({ keys: [key], plain }: Encryption): Encryption | undefined {
  return plain === 'written' || key === undefined ? undefined : { keys: [key], plain: 'no' };
}

function newKey(): Key {
  return { name: `key-${randomBytes(4).toString('hex')}`, secret: randomBytes(32).toString('base64') };
}

/**
 * The state in the file; undefined if there is none.
 * @throws Failure `preflight` if it is damaged: without its keys, the Secrets cannot be read
 */
export function readEncryption(file: string): Encryption | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw damaged(file, error);
  }
  const [resource] = listAt(parseJson(text), 'resources');
  const providers = listAt(resource, 'providers');
  const keys = providers
    .flatMap((provider) => listAt(provider, 'secretbox', 'keys'))
    .map((key) => ({ name: textAt(key, 'name'), secret: textAt(key, 'secret') }));
  const isWhole = keys.every(
    ({ name, secret }) => name !== '' && Buffer.from(secret, 'base64').length === 32,
  );
  if (keys.length === 0 || !isWhole) throw damaged(file);
  const plain = isPlain(providers[0]) ? 'written' : providers.some(isPlain) ? 'read' : 'no';
  return { keys, plain };
}

function isPlain(provider: unknown): boolean {
  return at(provider, 'identity') !== undefined;
}

function damaged(file: string, cause?: unknown): Failure {
  return new Failure('preflight', `${file} cannot be read: it has the keys of the cluster's Secrets`, {
    hint: `put a copy of ${file} back; without it the Secrets are lost, and the cluster has to start anew: down --purge`,
    cause,
  });
}

/**
 * Replaces the state in the file, or removes it. Returns when that is on the disk: before a key is used.
 * @throws Failure `preflight` if the disk does not take it: the state is as before then
 */
export function writeEncryption(file: string, state: Encryption | undefined): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    if (state === undefined) {
      rmSync(file, { force: true });
      syncToDiskSync(dirname(file));
    } else {
      writeFileAtomicallySync(file, textOf(state), { mode: 0o600, durable: true });
    }
  } catch (cause) {
    throw new Failure('preflight', `${file} cannot be written: ${reasonOf(cause)}`, {
      hint: 'free some space, or remove what is in the way: it has the keys of the Secrets, which stay as they are',
      cause,
    });
  }
}

function textOf({ keys, plain }: Encryption): string {
  const [secretbox, identity] = [{ secretbox: { keys } }, { identity: {} }];
  const providers = { written: [identity, secretbox], read: [secretbox, identity], no: [secretbox] }[plain];
  const config = {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources: ['secrets'], providers }],
  };
  return JSON.stringify(config, undefined, 2);
}

/** The encryption of a running node: what its API server has read. */
export class SecretsEncryption {
  readonly #file: string;
  readonly #isOn: boolean;
  #inUse: Encryption | undefined;

  constructor(paths: Pick<Paths, 'apiserver'>, isOn: boolean) {
    this.#file = encryptionFile(paths);
    this.#isOn = isOn;
  }

  /** Whether there is anything to encrypt or to decrypt. */
  get isInUse(): boolean {
    return this.#isOn || existsSync(this.#file);
  }

  /**
   * Call it before each start of the API server. Returns the file that it is to read; undefined without encryption.
   * @throws Failure `preflight` if the file is damaged
   */
  beforeStart(): string | undefined {
    const current = readEncryption(this.#file);
    this.#inUse = encryptionFor(current, this.#isOn);
    if (this.#inUse !== current) writeEncryption(this.#file, this.#inUse);
    return this.#inUse === undefined ? undefined : this.#file;
  }

  /**
   * Removes the keys that are no longer needed, after `rewriteAll` has made the API server write every Secret anew. With
   * `keepKeys` they stay until the next start.
   * @throws Failure `notReady` when the API server has not read the present keys yet
   */
  async settle(rewriteAll: () => Promise<void>, keepKeys: boolean): Promise<void> {
    const current = readEncryption(this.#file);
    if (current === undefined || isSettled(current)) return;
    if (this.#inUse === undefined || textOf(this.#inUse) !== textOf(current)) {
      throw new Failure('notReady', 'the API server has not read the new key for Secrets yet', {
        hint: 'restart it: k8s-single restart apiserver',
      });
    }
    await rewriteAll();
    if (!keepKeys) writeEncryption(this.#file, finished(current));
  }
}
