import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { reasonOf } from '../../src/lib/errors.ts';
import { loadNodeConfig } from '../../src/supervisor/options.ts';
import { cli, tempDir } from '../support/cli.ts';
import { madePki } from '../support/pki.ts';

const files = 'caFile: CA, certFile: CERT, keyFile: KEY';

/** The text of a config, with the paths of files that fit. */
async function config(text: string) {
  const { pki } = await madePki();
  const { cert, key } = pki.apiserverEtcd;
  return text
    .replace('CA', pki.etcdCa.cert)
    .replace('CERT', cert)
    .replace('KEY', key)
    .replace('OTHER', pki.admin.key);
}

/** The error without the path of the config. */
async function problem(text: string): Promise<string> {
  const file = join(await tempDir('etcd'), 'c.yaml');
  await writeFile(file, await config(text));
  const failure = await loadNodeConfig({ config: file }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'usage' });
  return reasonOf(failure).replaceAll(`${file}:`, '');
}

it('the members of an etcd of others and the files for them are taken from the config', async () => {
  const dir = await tempDir('etcd');
  const file = join(dir, 'c.yaml');
  const { pki } = await madePki();
  const { cert, key } = pki.apiserverEtcd;
  const members = 'https://192.0.2.1:2379, "https://[2001:db8::1]:2379", https://etcd-3.example:443';
  const text = `etcd: { endpoints: [${members}], caFile: ${pki.etcdCa.cert}, certFile: ${cert}, keyFile: ${key} }\n`;
  await writeFile(file, text);
  const { node } = await loadNodeConfig({ config: file });
  expect(node.etcd).toEqual({
    fsync: true,
    endpoints: ['https://192.0.2.1:2379', 'https://[2001:db8::1]:2379', 'https://etcd-3.example:443'],
    caFile: pki.etcdCa.cert,
    certFile: cert,
    keyFile: key,
  });
});

it('their files are relative to the config, and members on loopback need none', async () => {
  const dir = await tempDir('etcd');
  await writeFile(
    join(dir, 'c.yaml'),
    'etcd: { endpoints: [https://e:1], caFile: a, certFile: b, keyFile: c }\n',
  );
  await expect(loadNodeConfig({ config: join(dir, 'c.yaml') })).rejects.toThrow(
    `etcd.caFile: cannot read ${join(dir, 'a')}: ENOENT`,
  );
  await writeFile(
    join(dir, 'c.yaml'),
    'etcd: { endpoints: ["http://127.0.0.1:2379", "http://[::1]:2380"] }\n',
  );
  const { node } = await loadNodeConfig({ config: join(dir, 'c.yaml') });
  expect(node.etcd.endpoints).toHaveLength(2);
});

describe('a config is refused for', () => {
  it.each([
    ['endpoints: []', '1:9: etcd.endpoints: name the client URL of each member'],
    ['endpoints: [https://e]', '1:21: etcd.endpoints.0: expected a URL like https://192.0.2.1:2379'],
    ['endpoints: ["https://me:you@e:1"]', 'expected a URL like'],
    ['endpoints: [https://e:1/path]', 'expected a URL like'],
    ['endpoints: [etcd.example:2379]', 'expected a URL like'],
    [`endpoints: [https://e:1, https://e:1], ${files}`, '1:34: etcd.endpoints.1: https://e:1 is there twice'],
    [
      'endpoints: ["http://192.0.2.1:2379"]',
      "1:21: etcd.endpoints.0: http://192.0.2.1:2379: the cluster's Secrets need TLS on their way: use https",
    ],
    [`endpoints: [https://e:1, "http://127.0.0.1:1"], ${files}`, 'http and https cannot be mixed'],
    ['endpoints: ["http://127.0.0.1:1"], caFile: CA', '1:52: etcd.caFile: it is for https endpoints'],
    ['endpoints: [https://e:1]', '1:9: etcd.endpoints: https needs caFile, certFile, keyFile, too'],
    ['endpoints: [https://e:1], caFile: CA, certFile: CERT', 'https needs keyFile, too'],
    ['caFile: CA', '1:17: etcd.caFile: it is for an etcd of others: set endpoints'],
    [`fsync: false, endpoints: [https://e:1], ${files}`, '1:16: etcd.fsync: an etcd of others syncs by'],
    [
      'endpoints: [https://e:1], caFile: KEY, certFile: CERT, keyFile: OTHER',
      /etcd.caFile: .*\.key has no certificate \(PEM\)\n.*etcd.keyFile: .*admin.key is not the key of .*apiserver-etcd-client.crt/s,
    ],
  ])('%s', async (etcd, message) => {
    const found = await problem(`etcd: { ${etcd} }\n`);
    if (typeof message === 'string') expect(found).toContain(message);
    else expect(found).toMatch(message);
  });

  it('scheduled snapshots of an etcd of others', async () => {
    const text = `etcd: { endpoints: [https://e:1], ${files} }\nsnapshots: { every: 1h }\n`;
    expect(await problem(text)).toBe(
      '2:21: snapshots.every: the cluster is in an etcd of others: let etcdctl take snapshots of that one',
    );
  });

  it('changes to a component that an etcd of others does not have', async () => {
    const file = join(await tempDir('etcd'), 'c.yaml');
    const others = `etcd: { endpoints: [https://e:1], ${files} }\n`;
    const check = async (components: string): Promise<string> => {
      await writeFile(file, await config(`${others}components: { ${components} }\n`));
      const { all, exitCode } = await cli(['config', 'check', '--config', file], { all: true });
      expect(exitCode).toBe(2);
      return String(all);
    };
    expect(await check('etcd: { args: [--snapshot-count=1000] }')).toContain(
      '2:23: components.etcd: "args" cannot be changed: this is a built-in task, not a service',
    );
    expect(await check('etcd-space: { enabled: false }')).toContain('no built-in component has this name');
  });
});

it('an ephemeral node takes no etcd of others', async () => {
  const file = join(await tempDir('etcd'), 'c.yaml');
  await writeFile(file, await config(`etcd: { endpoints: [https://e:1], ${files} }\n`));
  await expect(loadNodeConfig({ config: file, ephemeral: true })).rejects.toMatchObject({ code: 'usage' });
});

it('without endpoints nothing is required', () => {
  expect(parseConfig('etcd: { fsync: false }', 'c.yaml').node.etcd).toEqual({ fsync: false });
});
