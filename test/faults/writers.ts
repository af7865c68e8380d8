import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { parse } from 'yaml';
import { writeUnit } from '../../src/commands/systemd/systemd.ts';
import type { Component } from '../../src/engine/component.ts';
import { recordUse } from '../../src/install/cacheUse.ts';
import { buildSteps } from '../../src/install/build/buildSteps.ts';
import { versionsOf } from '../../src/install/find/versions.ts';
import type { Asset } from '../../src/install/release/assets.ts';
import { publisherClient } from '../../src/install/release/client.ts';
import { installAssets } from '../../src/install/release/installAssets.ts';
import { remoteRepository } from '../../src/install/release/repository.ts';
import { runner } from '../../src/install/run.ts';
import { runSteps } from '../../src/install/steps.ts';
import { purge } from '../../src/instance/purge.ts';
import { recordStopOrder } from '../../src/instance/stopOrphans.ts';
import { removeInterruptedWrites } from '../../src/instance/interruptedWrites.ts';
import { readManifest } from '../../src/kubernetes/addons/readManifest.ts';
import { checkData } from '../../src/kubernetes/checkData.ts';
import { knownFlags } from '../../src/kubernetes/components/flags.ts';
import { openData } from '../../src/kubernetes/dataUpgrade.ts';
import { recordDataVersions } from '../../src/kubernetes/dataVersions.ts';
import {
  encryptionFile,
  readEncryption,
  SecretsEncryption,
  withNewKey,
  writeEncryption,
} from '../../src/kubernetes/encryption.ts';
import { ensureKubeconfigs } from '../../src/kubernetes/kubeconfig/kubeconfig.ts';
import { mergeKubeconfig, removeFromKubeconfig } from '../../src/kubernetes/kubeconfig/merge.ts';
import { recordPin } from '../../src/kubernetes/images/pinnedImages.ts';
import { completeRestore } from '../../src/kubernetes/snapshots/completeRestore.ts';
import { writeSnapshot } from '../../src/kubernetes/snapshots/snapshotFile.ts';
import {
  advanceCaRotation,
  nextCaRotationStep,
  requestCaRotation,
} from '../../src/kubernetes/pki/caRotation.ts';
import { ensureEtcdPki, ensurePki } from '../../src/kubernetes/pki/pki.ts';
import { pkiPaths } from '../../src/kubernetes/pki/paths.ts';
import { writeOutput } from '../../src/lib/outputFile.ts';
import { Failure } from '../../src/lib/errors.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { recordBoot } from '../../src/observe/records/bootRecord.ts';
import { explainFailure } from '../../src/supervisor/explainFailure.ts';

/** Something that changes files that outlive the process. */
export interface Writer {
  /** Makes the state from which it starts; without it, nothing is there. */
  readonly old?: (dir: string) => unknown;
  readonly run: (dir: string) => unknown;
  /** What makes sense of the state that is left, as the next start does. Default: {@link run} again. */
  readonly again?: (dir: string) => unknown;
  /** Of what is left, by its path in the folder: what need not be whole, as nobody reads it, and may stay. */
  readonly scratch?: RegExp;
  /** The kind of failure that an error of the disk is; undefined if the work is done without the file. */
  readonly failure?: 'preflight' | 'install' | 'error';
  /** Fail each call by default; of many that are alike, one in so many. */
  readonly every?: number;
  /** Calls whose failure changes nothing. */
  readonly tolerates?: RegExp;
  /** Files that may be missing after an interruption, as they are made anew. */
  readonly replaceable?: RegExp;
}

const identity = { nodeName: 'n', nodeIp: '10.1.2.3', serviceIp: '10.0.0.1', clusterDomain: 'cluster.local' };
const [before, next] = [
  { 'kube-apiserver': '1.20.2', etcd: '3.4.23' },
  { 'kube-apiserver': '1.21.3', etcd: '3.5.16' },
];
const signal = new AbortController().signal;

const pathsOf = (dir: string) => nodePaths('n', dir);
const pki = async (dir: string, nodeIp = identity.nodeIp) =>
  ensurePki({ ...identity, nodeIp, dir: pathsOf(dir).pki });
const kubeconfigs = async (dir: string, port: number) =>
  ensureKubeconfigs({
    dir: pathsOf(dir).kubeconfigs,
    server: `https://127.0.0.1:${port}`,
    pki: pkiPaths(pathsOf(dir).pki),
    name: 'n',
  });
/** As a start does it: what was interrupted goes first. */
const start = (work: (dir: string) => unknown) => async (dir: string) => {
  removeInterruptedWrites(pathsOf(dir));
  return work(dir);
};

function write(file: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode });
}

const encrypt = (dir: string) => new SecretsEncryption(pathsOf(dir), true).beforeStart();
const settle = async (dir: string, isOn = true) => {
  const encryption = new SecretsEncryption(pathsOf(dir), isOn);
  encryption.beforeStart();
  await encryption.settle(async () => undefined, false);
};
/** A new key, unless the last one is not in use yet, as `encryption rotate` does. */
const rotate = (dir: string) => {
  const file = encryptionFile(pathsOf(dir));
  const state = readEncryption(file)!;
  if (state.keys.length === 1) writeEncryption(file, withNewKey(state));
};

const openUpgrade = async (dir: string) =>
  (await openData({ name: 'n', dataDir: dir }, next, { minFreeMiB: 0, signal })).upgrade;
const usedData = (dir: string): void => {
  write(join(dir, 'etcd/member/snap/db'), 'old database');
  write(join(dir, 'etcd/member/wal/0.wal'), 'old log');
  recordDataVersions(dir, before);
};

const components = [
  { kind: 'task', name: 'a', needs: [], timeoutMs: 1, run: async () => undefined },
] as const satisfies Component[];
const config = {
  node: { registries: {} },
  components: {},
  secrets: new Set(),
  dir: '/',
  file: undefined,
} as never;

const program = (dir: string): string => join(dir, 'program');
const script = (dir: string): void =>
  write(program(dir), '#!/bin/sh\necho " --flag-of-it    a flag"; echo version 1.2.3\n', 0o755);

const mine =
  'apiVersion: v1\nkind: Config\n# mine\nclusters: []\nusers: []\ncontexts: []\ncurrent-context: ""\n';
const added = ['clusters', 'users', 'contexts']
  .map((section) => `${section}:\n- name: k8s-single-n\n`)
  .join('');
const addition = `apiVersion: v1\nkind: Config\n${added}current-context: k8s-single-n\n`;
const kubeconfig = (dir: string): string => join(dir, '.kube/config');
/** As the hint of the failure says. */
const unlocked = (work: (file: string) => unknown) => (dir: string) => {
  rmSync(`${kubeconfig(dir)}.lock`, { force: true });
  return work(kubeconfig(dir));
};

const store = 'containerd/root';
const imageStore = (dir: string): void => {
  write(join(dir, store, 'io.containerd.snapshotter.v1.overlayfs/metadata.db'), 'snapshots');
  const pin = { name: 'app:1', mediaType: 'manifest', digest: 'sha256:abc', size: 1 };
  write(join(pathsOf(dir).pinnedImages, 'a.json'), JSON.stringify(pin));
};

const built = (dir: string, names: readonly string[], version: string): void => {
  for (const name of names) write(join(dir, name), `#!/bin/sh\necho version ${version}\n`, 0o755);
};
const build = (version: string) => async (dir: string) => {
  const [target, work] = [join(dir, 'kubernetes/v1'), join(dir, 'build')];
  const steps = buildSteps({
    target,
    work,
    version,
    binaries: [{ name: 'kubelet', versionArgs: [] }],
    build: (out) => [{ label: 'build', work: async () => built(out, ['kubelet', 'kubectl'], version) }],
  });
  await runSteps(steps, () => undefined, signal);
};

/** Serves the files of a folder on loopback while the work is done. */
async function whileServed<T>(folder: string, work: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(({ url = '/' }, response) => response.end(readFileSync(join(folder, url))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const published = (dir: string): string => join(dir, 'published');
/** A program and an archive, with their checksums, as their publishers have them. */
const publish = async (dir: string): Promise<void> => {
  const host = join(published(dir), 'host');
  built(host, ['kubelet', 'bin/etcd', 'bin/etcdctl'], '2.0');
  await execa('tar', ['-czf', join(host, 'etcd.tar.gz'), '-C', host, 'bin']);
  for (const file of ['kubelet', 'etcd.tar.gz'])
    write(
      join(host, `${file}.sha256`),
      createHash('sha256')
        .update(readFileSync(join(host, file)))
        .digest('hex'),
    );
};
const asset = (name: string, path: string, contents?: Readonly<Record<string, string>>): Asset => ({
  name,
  version: '2.0',
  arch: 'amd64',
  host: 'host',
  path,
  checksums: [`${path}.sha256`],
  folder: `${name}-2.0`,
  ...(contents && { contents }),
});
const assets = [
  asset('kubelet', 'kubelet'),
  asset('etcd', 'etcd.tar.gz', { etcd: 'bin/etcd', etcdctl: 'bin/etcdctl' }),
];
const install = async (dir: string): Promise<void> =>
  whileServed(published(dir), async (url) =>
    installAssets(assets, dir, {
      repository: remoteRepository(publisherClient(url, { retries: 0 })),
      signal,
      reportFor: () => () => undefined,
      run: runner({ logFile: '/dev/null', signal }),
    }),
  );

const manifest = (name: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\ndata: {}\n`;
const copyOf = (dir: string): string => join(pathsOf(dir).addons, '.addon.yaml');
const copyManifest = async (dir: string): Promise<void> => {
  // What is served is in another folder each time, as the copy's first line has the address.
  const read = await whileServed(published(dir), async (url) =>
    readManifest({ from: { url: `${url}/addon.yaml`, copy: copyOf(dir) }, place: 'addons' }),
  );
  if ('problem' in read) throw new Error(read.problem);
};

const lines = async function* (revision: string): AsyncGenerator<string> {
  yield JSON.stringify({ revision });
  yield JSON.stringify({ key: '/registry/configmaps/default/a', value: 'YQ==' });
  yield JSON.stringify({ end: 1 });
};
const snapshotOf = (revision: string) => async (dir: string) =>
  writeSnapshot(join(dir, 'snapshots/n.jsonl.gz'), lines(revision), undefined, signal);

const service = {
  kind: 'service',
  name: 'a',
  needs: [],
  command: { file: '/bin/false', args: [] },
} as const;

const dataOfNode = async (dir: string) => {
  await pki(dir);
  usedData(dir);
  imageStore(dir);
  write(join(dir, 'failure.json'), '{}');
  write(join(dir, 'failure.json.0123456789ab.tmp'), '{');
  write(join(dir, 'addons/.copy'), 'copy');
};

export const writers: Readonly<Record<string, Writer>> = {
  'certificates from nothing': { run: start(pki), failure: 'preflight', every: 11 },
  'certificates of etcd from nothing': {
    run: start(async (dir) => ensureEtcdPki({ dir: pathsOf(dir).pki })),
    failure: 'preflight',
    // It tries again, and the disk is full only once.
    tolerates: /./,
  },
  'certificates for another address': {
    old: async (dir) => pki(dir, '10.9.9.9'),
    run: start(pki),
    failure: 'preflight',
  },
  'certificates of etcd in place of those that cannot be used': {
    old: async (dir) => {
      await ensureEtcdPki({ dir: pathsOf(dir).pki });
      write(pkiPaths(pathsOf(dir).pki).etcdCa.key, 'foreign');
    },
    run: start(async (dir) => ensureEtcdPki({ dir: pathsOf(dir).pki })),
    failure: 'preflight',
    replaceable: /etcd-ca\.(key|crt)$/,
    scratch: /etcd-ca\.key$/,
  },
  'kubeconfigs from nothing': {
    old: pki,
    every: 2,
    run: start(async (dir) => kubeconfigs(dir, 6443)),
    failure: 'preflight',
  },
  'kubeconfigs for another port': {
    old: async (dir) => {
      await pki(dir);
      await kubeconfigs(dir, 7443);
    },
    run: start(async (dir) => kubeconfigs(dir, 6443)),
    failure: 'preflight',
  },
  'new CAs': {
    old: pki,
    run: start(async (dir) => {
      await requestCaRotation(pathsOf(dir).pki);
      while ((await nextCaRotationStep(pathsOf(dir).pki)) !== undefined) {
        await pki(dir);
        await advanceCaRotation(pathsOf(dir).pki);
      }
      await pki(dir);
    }),
    failure: 'preflight',
    every: 29,
    // The new key takes the place of the old one.
    replaceable: /-(next\.key|old\.crt)$/,
    scratch: /-(next\.key|old\.crt)$/,
  },
  'the first key of Secrets': { run: start(encrypt), failure: 'preflight' },
  'a new key of Secrets': {
    old: settle,
    run: rotate,
    again: start(rotate),
    failure: 'preflight',
  },
  'the last key of Secrets alone': {
    old: async (dir) => {
      await settle(dir);
      rotate(dir);
    },
    run: start(settle),
    failure: 'preflight',
  },
  'no key of Secrets': {
    old: settle,
    run: start(async (dir) => settle(dir, false)),
    failure: 'preflight',
    replaceable: /encryption\.json$/,
  },
  'the record of versions': {
    old: (dir) => recordDataVersions(dir, before),
    run: start((dir) => recordDataVersions(dir, next)),
    failure: 'error',
  },
  'the record of a boot': {
    old: async (dir) => recordBoot(dir, [], { config }),
    run: start(async (dir) => (await recordBoot(dir, components, { config }))([])),
    failure: 'error',
  },
  'the order of a stop': {
    old: (dir) => recordStopOrder(dir, [], '/log'),
    run: start((dir) => recordStopOrder(dir, components, '/log')),
    failure: 'error',
  },
  'an upgrade of data that is completed': {
    old: usedData,
    // Whether the disk copies by reference is tried.
    tolerates: /\/clone$/,
    run: start(async (dir) => (await openUpgrade(dir))?.complete()),
    failure: 'preflight',
    scratch: /^upgrade(\.tmp)?(\/|$)/,
  },
  'an upgrade of data that is undone': {
    old: usedData,
    // Whether the disk copies by reference is tried.
    tolerates: /\/clone$/,
    run: start(async (dir) => (await openUpgrade(dir))?.undo()),
    failure: 'preflight',
    scratch: /^upgrade(\.tmp)?(\/|$)/,
    // Its copy is in the folder of the upgrade.
    replaceable: /^etcd\/member/,
  },
  'a restore of a snapshot that has begun': {
    old: async (dir) => {
      await pki(dir);
      usedData(dir);
      write(join(dir, 'upgrade/member/snap/db'), 'of an upgrade');
      write(join(dir, 'restore/etcd/member/snap/db'), 'new database');
      write(join(dir, 'restore/etcd/member/wal/0.wal'), 'new log');
      await ensurePki({ ...identity, dir: join(dir, 'restore/pki') });
      recordDataVersions(join(dir, 'restore'), next);
    },
    run: start(completeRestore),
    failure: 'preflight',
    every: 2,
    // What is replaced is kept in a folder of its own.
    scratch: /^(restore(\.tmp)?|replaced|upgrade)(\/|$)/,
    replaceable: /^(etcd|pki|versions)/,
  },
  'a kubeconfig of the user': {
    old: (dir) => write(kubeconfig(dir), mine, 0o640),
    run: (dir) => mergeKubeconfig(kubeconfig(dir), addition),
    again: unlocked((file) => mergeKubeconfig(file, addition)),
    failure: 'preflight',
    scratch: /config\.lock$/,
  },
  'a first kubeconfig of the user': {
    run: (dir) => mergeKubeconfig(kubeconfig(dir), addition),
    again: unlocked((file) => mergeKubeconfig(file, addition)),
    failure: 'preflight',
    scratch: /config\.lock$/,
  },
  'a kubeconfig of the user without the node': {
    old: (dir) => mergeKubeconfig(kubeconfig(dir), addition),
    run: (dir) => removeFromKubeconfig(kubeconfig(dir), 'n'),
    again: unlocked((file) => removeFromKubeconfig(file, 'n')),
    failure: 'preflight',
    scratch: /config\.lock$/,
  },
  'an image store that is set aside': {
    old: imageStore,
    run: start((dir) => checkData(pathsOf(dir), 'overlayfs')),
    failure: 'error',
    replaceable: /^containerd\//,
    scratch: /^containerd\/pinned-images$/,
  },
  'a record of versions that is set aside': {
    old: (dir) => {
      usedData(dir);
      write(join(dir, 'versions.json'), '{"kube-');
    },
    run: start((dir) => checkData(pathsOf(dir), 'overlayfs')),
    failure: 'error',
    scratch: /versions\.json/,
    replaceable: /versions\.json$/,
  },
  'the flags of a program in the cache': {
    old: script,
    run: async (dir) => knownFlags(program(dir), join(dir, 'cache')),
    scratch: /\.tmp$/,
  },
  'the versions of programs in the cache': {
    old: script,
    run: async (dir) => {
      const binary = { name: 'program', versionArgs: [] };
      const found = new Map([['program', { path: program(dir), from: 'cache' }]] as const);
      await versionsOf([binary], { found, missing: [] }, join(dir, 'cache/versions.json'));
    },
    scratch: /\.tmp$/,
  },
  'the use of the cache': {
    old: (dir) => {
      mkdirSync(join(dir, 'cache'));
      recordUse(join(dir, 'cache'), { name: 'n', versions: before, dataDir: dir });
    },
    run: (dir) => recordUse(join(dir, 'cache'), { name: 'n', versions: next, dataDir: dir }),
    scratch: /\.tmp$/,
  },
  'binaries that are built in place of others': {
    old: (dir) => built(join(dir, 'kubernetes/v1'), ['kubelet', 'kube-proxy'], '1.0'),
    run: build('2.0'),
    failure: 'error',
    scratch: /^build(\/|$)/,
  },
  'published releases in the cache': {
    old: publish,
    run: install,
    failure: 'install',
    every: 2,
    // Only tidy: removed before the next one.
    tolerates: /^rm .*\.partial$/,
    scratch: /\.partial(\/|$)/,
  },
  'a copy of an addon': {
    old: (dir) => {
      write(join(published(dir), 'addon.yaml'), manifest('new'));
      write(copyOf(dir), `# elsewhere\n${manifest('old')}`);
    },
    run: start(copyManifest),
    failure: 'error',
  },
  'a snapshot in place of another': {
    old: snapshotOf('1'),
    run: snapshotOf('2'),
    failure: 'preflight',
    scratch: /\.tmp$/,
  },
  'the record of a pinned image': {
    old: imageStore,
    run: start(async (dir) => {
      const image = { name: 'web:1', mediaType: 'manifest', digest: 'sha256:def', size: 2 };
      await recordPin(pathsOf(dir).pinnedImages, image);
    }),
    failure: 'error',
  },
  'a unit of systemd': {
    old: (dir) => write(join(dir, 'n.service'), '[Unit]\nDescription=old\n', 0o644),
    run: async (dir) => writeUnit(join(dir, 'n.service'), '[Unit]\nDescription=new\n'),
    failure: 'preflight',
  },
  'the report of a failure': {
    run: start(async (dir) => {
      const events = [{ component: 'a', type: 'starting', at: 0 }] as never;
      const failure = new Failure('notReady', 'a is not ready');
      await explainFailure(
        failure,
        { components: [service as never], events },
        { data: dir, logs: dir, config },
      );
    }),
    scratch: /\.tmp$/,
  },
  'a report for the user': {
    old: (dir) => write(join(dir, 'junit.json'), '{"old": true}', 0o644),
    run: async (dir) => writeOutput(join(dir, 'junit.json'), '{"new": true}'),
    scratch: /\.tmp$/,
    failure: 'error',
  },
  'what a node has made, when it is removed': {
    old: async (dir) => dataOfNode(join(dir, 'data')),
    run: async (dir) => purge(join(dir, 'data')),
    // Removing the folder itself is no more than tidy.
    tolerates: /rmdir/,
    failure: 'error',
    scratch: /./,
    replaceable: /./,
  },
};

/** @throws unless the text is a whole file of its kind */
export function assertWhole(file: string, text: string): void {
  if (file.endsWith('.crt') && new X509Certificate(text).subject !== '') return;
  if (file.endsWith('.key')) createPrivateKey(text);
  else if (file.endsWith('.pub')) createPublicKey(text);
  else if (file.endsWith('.json')) JSON.parse(text);
  else if (/(\.conf|config|\.yaml)$/.test(file)) parse(text);
  else throw new Error(`${file} is of no known kind`);
}
