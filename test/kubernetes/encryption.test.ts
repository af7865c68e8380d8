import { readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  encryptionFile,
  isSettled,
  readEncryption,
  SecretsEncryption,
  withNewKey,
  writeEncryption,
} from '../../src/kubernetes/encryption.ts';
import type { Encryption } from '../../src/kubernetes/encryption.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { tempDir } from '../support/cli.ts';

/** An API server as far as Secrets are concerned: it writes as the first of its keys says, and reads what it has a key for. */
class ApiServer {
  readonly #state: Encryption | undefined;
  readonly #secrets: Map<string, string>;

  constructor(secrets: Map<string, string>, file: string | undefined) {
    this.#secrets = secrets;
    this.#state = file === undefined ? undefined : readEncryption(file);
  }

  get #key(): string {
    return this.#state === undefined || this.#state.plain === 'written' ? 'plain' : this.#state.keys[0]!.name;
  }

  get #readable(): string[] {
    const { keys = [], plain = 'read' } = this.#state ?? {};
    return [...keys.map(({ name }) => name), ...(plain === 'no' ? [] : ['plain'])];
  }

  write(name: string): void {
    this.#secrets.set(name, this.#key);
  }

  assertReadable(): void {
    for (const key of this.#secrets.values()) expect(this.#readable).toContain(key);
  }

  /** The first `count` of all Secrets. */
  rewrite(count = Infinity): void {
    this.assertReadable();
    for (const name of [...this.#secrets.keys()].slice(0, count)) this.write(name);
  }
}

async function data() {
  const paths = nodePaths('n', join(await tempDir('encryption'), 'data'));
  return { paths, file: encryptionFile(paths) };
}

/** A generator of numbers below `limit`, the same for the same seed (mulberry32). */
function randomFrom(seed: number) {
  let state = seed;
  return (limit: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

test.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'no Secret is ever without its key, whatever is switched and wherever it is killed (seed %i)',
  async (seed) => {
    const { paths, file } = await data();
    const random = randomFrom(seed);
    const secrets = new Map<string, string>();
    let isOn = false;
    for (let life = 0; life < 12; life += 1) {
      if (random(3) === 0) isOn = !isOn;
      const encryption = new SecretsEncryption(paths, isOn);
      let server = new ApiServer(secrets, encryption.beforeStart());
      for (let step = random(8); step > 0; step -= 1) {
        server.assertReadable();
        server.write(`secret-${random(6)}`);
        const state = readEncryption(file);
        const action = random(4);
        // Rotate, with and without the restart that follows.
        if (action === 0 && state !== undefined && isSettled(state)) writeEncryption(file, withNewKey(state));
        if (action === 1) server = new ApiServer(secrets, encryption.beforeStart());
        if (action >= 2) {
          const dies = random(3) === 0;
          const rewriteAll = async (): Promise<void> => {
            server.rewrite(dies ? random(6) : Infinity);
            if (dies) throw new Error('killed');
          };
          await encryption.settle(rewriteAll, random(4) === 0).catch((error: Error) => {
            expect(error.message).toMatch(/killed|has not read the new key/);
          });
        }
      }
      server.assertReadable();
    }
    // Undisturbed, it ends as the config says.
    const encryption = new SecretsEncryption(paths, isOn);
    const server = new ApiServer(secrets, encryption.beforeStart());
    await encryption.settle(async () => server.rewrite(), false);
    const state = readEncryption(file);
    expect(state === undefined ? 'none' : isSettled(state)).toBe(isOn ? true : 'none');
    expect(new Set(secrets.values())).toEqual(
      new Set(secrets.size === 0 ? [] : [state?.keys[0]!.name ?? 'plain']),
    );
  },
);

describe('the file', () => {
  test('can be read by its owner alone, and nothing else is left beside it', async () => {
    const { paths, file } = await data();
    expect(new SecretsEncryption(paths, true).beforeStart()).toBe(file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(paths.apiserver).mode & 0o777).toBe(0o700);
    expect(readdirSync(paths.apiserver)).toEqual(['encryption.json']);
  });

  test('is not made while the encryption is off', async () => {
    const { paths, file } = await data();
    const encryption = new SecretsEncryption(paths, false);
    expect([encryption.isInUse, encryption.beforeStart(), readEncryption(file)]).toEqual([
      false,
      undefined,
      undefined,
    ]);
  });

  test('stays the same at each start', async () => {
    const { paths, file } = await data();
    new SecretsEncryption(paths, true).beforeStart();
    const before = readEncryption(file);
    new SecretsEncryption(paths, true).beforeStart();
    expect(readEncryption(file)).toEqual(before);
  });

  test.each([
    ['cut off', (file: string) => truncateSync(file, 100)],
    ['empty', (file: string) => truncateSync(file, 0)],
    ['another', (file: string) => writeFileSync(file, '{"resources":[{"providers":[{"kms":{}}]}]}')],
  ])('is named, and never replaced, when it is %s', async (_, damage) => {
    const { paths, file } = await data();
    new SecretsEncryption(paths, true).beforeStart();
    damage(file);
    const { size } = statSync(file);
    expect(() => new SecretsEncryption(paths, true).beforeStart()).toThrow(
      expect.objectContaining({ code: 'preflight', message: expect.stringContaining(file) }),
    );
    expect(statSync(file).size).toBe(size);
  });
});
