import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Store } from '../../src/helper/cluster/store.ts';
import type { Change } from '../../src/helper/cluster/watches.ts';
import { bytesOf, readClaim, readClass, readVolume } from '../../src/helper/storage/objects.ts';
import type { Claim, StorageClass, Volume } from '../../src/helper/storage/objects.ts';
import { Provisioner } from '../../src/helper/storage/provisioner.ts';
import { readNode } from '../../src/helper/workers/node.ts';
import type { ClusterNode } from '../../src/helper/workers/node.ts';
import { carryOut } from '../../src/helper/workers/volumes.ts';
import { tempDir } from '../support/cli.ts';

const name = 'k8s-single.local/folder';
const uid = '0d1f6f0e-7f3b-4c55-9a5e-0a3d9e6f3c11';

function classObject(metadata: object, more: object = {}): object {
  return {
    metadata,
    provisioner: name,
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
    ...more,
  };
}

const isDefault = { 'storageclass.kubernetes.io/is-default-class': 'true' };
const onlyOn = (...values: string[]) => ({
  allowedTopologies: [{ matchLabelExpressions: [{ key: 'kubernetes.io/hostname', values }] }],
});
const own = classObject({ name: 'k8s-single', annotations: isDefault }, onlyOn('k8s-single'));
const foreign = classObject({ name: 'nfs', annotations: isDefault }, { provisioner: 'nfs.example.com' });
const selected = { 'volume.kubernetes.io/selected-node': 'k8s-single' };
const asked = { ...selected, 'volume.beta.kubernetes.io/storage-provisioner': name };

function claimObject(annotations: object, spec: object = {}): object {
  return {
    metadata: { namespace: 'shop', name: 'data-db-0', uid, annotations },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '64Mi' } },
      storageClassName: 'k8s-single',
      volumeMode: 'Filesystem',
      ...spec,
    },
    status: { phase: 'Pending' },
  };
}

function volumeObject(path: string, spec: object = {}, claimUid = uid): object {
  return {
    metadata: { name: `pvc-${uid}`, annotations: { 'pv.kubernetes.io/provisioned-by': name } },
    spec: {
      claimRef: { namespace: 'shop', name: 'data-db-0', uid: claimUid },
      local: { path },
      persistentVolumeReclaimPolicy: 'Delete',
      ...spec,
    },
    status: { phase: 'Released' },
  };
}

/** Reconciles twice, as after a restart, and returns the changes of the first and of the second time. */
async function reconcile(
  objects: { classes?: object[]; claims?: object[]; volumes?: object[] },
  data?: string,
): Promise<{ readonly changes: Change[]; readonly again: Change[]; readonly root: string }> {
  const root = join(data ?? (await tempDir('storage')), 'volumes');
  const changes: Change[] = [];
  const [classes, claims, volumes] = [new Store<StorageClass>(), new Store<Claim>(), new Store<Volume>()];
  const change = async (each: Change): Promise<void> => void changes.push(each);
  const one = new Provisioner(
    { classes, claims, volumes, change },
    { folder: root, nodeName: 'k8s-single', hasWorkers: false, isShared: false },
  );
  await one.reconcile();
  // Nothing before everything was read once.
  expect(changes).toEqual([]);
  classes.replace((objects.classes ?? [own]).map(readClass));
  claims.replace((objects.claims ?? []).map(readClaim));
  volumes.replace((objects.volumes ?? []).map(readVolume));
  await one.reconcile();
  const first = changes.splice(0);
  await one.reconcile();
  return { changes: first, again: changes, root };
}

it('a claim gets a folder that every user may write, and a volume for it alone', async () => {
  const { changes, root } = await reconcile({ claims: [claimObject(asked)] });
  const path = join(root, `data-db-0_shop_${uid}`);
  expect(statSync(path).mode & 0o777).toBe(0o777);
  expect(statSync(root).mode & 0o777).toBe(0o700);
  expect(changes).toMatchObject([
    {
      method: 'POST',
      path: '/api/v1/persistentvolumes',
      body: {
        metadata: { name: `pvc-${uid}`, annotations: { 'pv.kubernetes.io/provisioned-by': name } },
        spec: {
          capacity: { storage: '64Mi' },
          accessModes: ['ReadWriteOnce'],
          claimRef: { namespace: 'shop', name: 'data-db-0', uid },
          local: { path },
          persistentVolumeReclaimPolicy: 'Delete',
          storageClassName: 'k8s-single',
        },
      },
    },
  ]);
});

it('the annotation of Kubernetes 1.23 and later will do, and Retain is that of the class', async () => {
  const annotations = { ...selected, 'volume.kubernetes.io/storage-provisioner': name };
  const classes = [own, classObject({ name: 'kept' }, { reclaimPolicy: 'Retain' })];
  const claims = [claimObject(annotations, { storageClassName: 'kept' })];
  const { changes } = await reconcile({ classes, claims });
  expect(changes).toMatchObject([{ body: { spec: { persistentVolumeReclaimPolicy: 'Retain' } } }]);
});

it.each([
  ['no pod uses it yet', claimObject({ 'volume.beta.kubernetes.io/storage-provisioner': name })],
  ['the controller manager has not asked yet', claimObject(selected)],
  ['it is bound', claimObject(asked, { volumeName: `pvc-${uid}` })],
  ['its class is of another provisioner', claimObject(asked, { storageClassName: 'nfs' })],
  ['its class does not exist', claimObject(asked, { storageClassName: 'gone' })],
])('a claim is left alone if %s', async (_, claim) => {
  const classes = [own, classObject({ name: 'nfs' }, { provisioner: 'nfs.example.com' })];
  const { changes, root } = await reconcile({ classes, claims: [claim] });
  expect(changes).toEqual([]);
  expect(existsSync(root)).toBe(false);
});

it.each([
  ['900Ti', 'Filesystem', /asks for 900 TiB, but the disk of the data folder has .* free/],
  ['1Mi', 'Block', /no block devices: set volumeMode to Filesystem/],
])('a claim of %s, %s, is refused by one event', async (storage, volumeMode, message) => {
  const claims = [claimObject(asked, { resources: { requests: { storage } }, volumeMode })];
  const { changes, again, root } = await reconcile({ claims });
  expect(changes).toMatchObject([
    {
      path: '/api/v1/namespaces/shop/events',
      body: { involvedObject: { kind: 'PersistentVolumeClaim', uid }, type: 'Warning' },
    },
  ]);
  expect(changes[0]?.body).toHaveProperty('message', expect.stringMatching(message));
  expect(again).toEqual([]);
  expect(await readdir(root).catch(() => [])).toEqual([]);
});

it('the folder of a deleted claim is removed, then its volume; links in it are not followed', async () => {
  const data = await tempDir('storage');
  const path = join(data, 'volumes', `data-db-0_shop_${uid}`);
  await mkdir(path, { recursive: true });
  await mkdir(join(data, 'etcd'));
  await writeFile(join(data, 'etcd/db'), 'state');
  await symlink(join(data, 'etcd'), join(path, 'link'));
  const { changes } = await reconcile({ volumes: [volumeObject(path)] }, data);
  expect(changes).toEqual([{ method: 'DELETE', path: `/api/v1/persistentvolumes/pvc-${uid}` }]);
  expect(existsSync(path)).toBe(false);
  expect(existsSync(join(data, 'etcd/db'))).toBe(true);
});

describe('with a worker', () => {
  const folder = `data-db-0_shop_${uid}`;
  const answers = 'k8s-single/volumes-done';
  const wants = 'k8s-single/volumes';

  function cluster() {
    const changes: Change[] = [];
    const nodes = new Store<ClusterNode>();
    const [classes, claims, volumes] = [new Store<StorageClass>(), new Store<Claim>(), new Store<Volume>()];
    const change = async (each: Change): Promise<void> => void changes.push(each);
    const one = new Provisioner(
      { classes, claims, volumes, nodes, change },
      { folder: '/nowhere', nodeName: 'k8s-single', hasWorkers: true, isShared: false },
    );
    const worker = (annotations: Record<string, string>): void =>
      nodes.replace(
        [{ metadata: { name: 'k8s-single' } }, { metadata: { name: 'b', annotations } }].map(readNode),
      );
    worker({ [answers]: JSON.stringify({ root: '/w/volumes', folders: {} }) });
    classes.replace([
      readClass(classObject({ name: 'k8s-single', annotations: isDefault }, onlyOn('b', 'k8s-single'))),
    ]);
    claims.replace([]);
    volumes.replace([]);
    const decide = async (): Promise<Change[]> => {
      await one.reconcile();
      return changes.splice(0);
    };
    return { classes, claims, volumes, worker, decide };
  }

  const wanted = (folders: Record<string, number | null> | undefined) => [
    {
      method: 'PATCH',
      path: '/api/v1/nodes/b',
      body: {
        metadata: { annotations: { [wants]: folders === undefined ? null : JSON.stringify(folders) } },
      },
      type: 'application/merge-patch+json',
    },
  ];

  it('the class is that of both nodes', async () => {
    const { classes, decide } = cluster();
    classes.replace([readClass(own)]);
    expect(await decide()).toMatchObject([{ method: 'PATCH', body: onlyOn('b', 'k8s-single') }]);
  });

  it('a claim for it gets a volume when the worker has made the folder, and is not asked for it any more', async () => {
    const { claims, volumes, worker, decide } = cluster();
    claims.replace([readClaim(claimObject({ ...asked, 'volume.kubernetes.io/selected-node': 'b' }))]);
    const request = JSON.stringify({ [folder]: 64 * 1024 * 1024 });
    expect(await decide()).toEqual(wanted({ [folder]: 64 * 1024 * 1024 }));
    worker({ [wants]: request, [answers]: JSON.stringify({ root: '/w/volumes', folders: {} }) });
    expect(await decide()).toEqual([]);
    worker({
      [wants]: request,
      [answers]: JSON.stringify({ root: '/w/volumes', folders: { [folder]: 'made' } }),
    });
    const [made] = await decide();
    expect(made).toMatchObject({
      path: '/api/v1/persistentvolumes',
      body: {
        spec: {
          local: { path: `/w/volumes/${folder}` },
          nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ values: ['b'] }] }] } },
        },
      },
    });
    volumes.replace([readVolume({ ...made!.body, status: { phase: 'Bound' } })]);
    expect(await decide()).toEqual(wanted(undefined));
  });

  it('the reason of the worker is an event of the claim', async () => {
    const { claims, worker, decide } = cluster();
    claims.replace([readClaim(claimObject({ ...asked, 'volume.kubernetes.io/selected-node': 'b' }))]);
    const folders = { [folder]: { failure: 'the disk is full' } };
    worker({
      [wants]: JSON.stringify({ [folder]: 64 * 1024 * 1024 }),
      [answers]: JSON.stringify({ root: '/w/volumes', folders }),
    });
    const another = {
      method: 'PATCH',
      path: '/api/v1/namespaces/shop/persistentvolumeclaims/data-db-0',
      body: { metadata: { annotations: { 'volume.kubernetes.io/selected-node': null } } },
    };
    expect(await decide()).toMatchObject([{ body: { message: 'node b: the disk is full' } }, another]);
    // Until the scheduler has heard of it.
    expect(await decide()).toMatchObject([another]);
  });

  it('a claim for a worker that has left is given back to the scheduler', async () => {
    const { claims, decide } = cluster();
    claims.replace([readClaim(claimObject({ ...asked, 'volume.kubernetes.io/selected-node': 'c' }))]);
    expect(await decide()).toMatchObject([
      { body: { message: 'node c has left the cluster' } },
      {
        method: 'PATCH',
        body: { metadata: { annotations: { 'volume.kubernetes.io/selected-node': null } } },
      },
    ]);
  });

  it('a volume is deleted when the worker has removed its folder, and stays if the worker is gone', async () => {
    const { volumes, worker, decide } = cluster();
    const expression = { key: 'kubernetes.io/hostname', operator: 'In', values: ['b'] };
    const nodeAffinity = { required: { nodeSelectorTerms: [{ matchExpressions: [expression] }] } };
    volumes.replace([readVolume(volumeObject(`/w/volumes/${folder}`, { nodeAffinity }))]);
    expect(await decide()).toEqual(wanted({ [folder]: null }));
    const request = JSON.stringify({ [folder]: null });
    worker({
      [wants]: request,
      [answers]: JSON.stringify({ root: '/w/volumes', folders: { [folder]: 'made' } }),
    });
    expect(await decide()).toEqual([]);
    worker({
      [wants]: request,
      [answers]: JSON.stringify({ root: '/w/volumes', folders: { [folder]: 'removed' } }),
    });
    expect(await decide()).toEqual([{ method: 'DELETE', path: `/api/v1/persistentvolumes/pvc-${uid}` }]);
    worker({ [wants]: request, [answers]: JSON.stringify({ root: '/x', folders: { [folder]: 'removed' } }) });
    expect(await decide()).toEqual([]);
    worker({});
    expect(await decide()).toMatchObject([{ method: 'PATCH', body: onlyOn('k8s-single') }]);
  });

  it('makes and removes what its Node names, directly in its folder', async () => {
    const root = join(await tempDir('storage'), 'volumes');
    expect(await carryOut(root, { [folder]: 1024, '../../etc': null, huge: 1e18 })).toEqual({
      root,
      folders: {
        [folder]: 'made',
        '../../etc': { failure: 'its claim has no valid name' },
        huge: { failure: expect.stringContaining('but the disk of the data folder has') },
      },
    });
    expect(statSync(join(root, folder)).mode & 0o777).toBe(0o777);
    expect((await carryOut(root, { [folder]: null })).folders).toEqual({ [folder]: 'removed' });
    expect(await readdir(root)).toEqual([]);
  });
});

it('a retained, a bound and a foreign volume keep their folder', async () => {
  const data = await tempDir('storage');
  const path = join(data, 'volumes', `data-db-0_shop_${uid}`);
  await mkdir(path, { recursive: true });
  const volumes = [
    volumeObject(path, { persistentVolumeReclaimPolicy: 'Retain' }),
    { ...volumeObject(path), status: { phase: 'Bound' } },
    { ...volumeObject(path), metadata: { name: 'nfs' } },
  ];
  for (const volume of volumes) expect((await reconcile({ volumes: [volume] }, data)).changes).toEqual([]);
  expect(existsSync(path)).toBe(true);
});

it.each([
  ['a folder outside', 'etcd', uid],
  ['the folder of all volumes', 'volumes', uid],
  ['a path with ..', `volumes/../etcd`, uid],
  ['the folder of another claim', 'volumes/other_shop_1', uid],
  ['a UID that leads outside', 'etcd', 'x/../../etcd'],
])('a volume of ours with %s is left alone', async (_, path, claimUid) => {
  const data = await tempDir('storage');
  for (const folder of ['etcd', 'volumes/other_shop_1']) await mkdir(join(data, folder), { recursive: true });
  const { changes } = await reconcile({ volumes: [volumeObject(`${data}/${path}`, {}, claimUid)] }, data);
  expect(changes).toEqual([]);
  for (const folder of ['etcd', 'volumes/other_shop_1']) expect(existsSync(join(data, folder))).toBe(true);
});

it('its class is bound to the node that has the folders, also one from before, or of another name', async () => {
  const path = '/apis/storage.k8s.io/v1/storageclasses/k8s-single';
  for (const before of [{}, onlyOn('old-name')]) {
    const { changes } = await reconcile({ classes: [classObject({ name: 'k8s-single' }, before)] });
    expect(changes).toMatchObject([{ method: 'PATCH', path, body: onlyOn('k8s-single') }]);
  }
});

it('a claim of a pod on another node is refused by one event', async () => {
  const elsewhere = { ...asked, 'volume.kubernetes.io/selected-node': 'worker' };
  const { changes, root } = await reconcile({ claims: [claimObject(elsewhere)] });
  expect(changes).toMatchObject([{ body: { message: expect.stringContaining('on node k8s-single only') } }]);
  expect(existsSync(root)).toBe(false);
});

it('its class is the default one unless there is another, and steps back for one that comes later', async () => {
  const path = '/apis/storage.k8s.io/v1/storageclasses';
  const made = await reconcile({ classes: [] });
  expect(made.changes).toMatchObject([
    { method: 'POST', path, body: { metadata: { name: 'k8s-single', annotations: isDefault } } },
  ]);
  expect(made.changes).toMatchObject([{ body: onlyOn('k8s-single') }]);
  expect((await reconcile({ classes: [foreign] })).changes).toEqual([]);
  expect((await reconcile({ classes: [own] })).changes).toEqual([]);
  expect((await reconcile({ classes: [own, foreign] })).changes).toMatchObject([
    {
      method: 'PATCH',
      path: `${path}/k8s-single`,
      body: { metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'false' } } },
    },
  ]);
});

it('quantities are those of Kubernetes', () => {
  const bytes = ['5', '1k', '1Ki', '500M', '1.5Gi', '900Ti', '1e3', '100m', '2E', '1x'].map(bytesOf);
  expect(bytes).toEqual([5, 1000, 1024, 5e8, 1.5 * 2 ** 30, 900 * 2 ** 40, 1000, 0.1, 2e18, NaN]);
});

it(
  'what goes on writing to a volume that is removed deletes nothing elsewhere',
  { timeout: 120_000 },
  async () => {
    const data = await tempDir('storage');
    const [volume, elsewhere] = [join(data, 'volumes', `data-db-0_shop_${uid}`), join(data, 'elsewhere')];
    const files = Array.from({ length: 1000 }, (_, i) => `f${i}`);
    const fill = (folder: string): void => {
      mkdirSync(folder, { recursive: true });
      for (const each of files) writeFileSync(join(folder, each), '');
    };
    fill(elsewhere);
    // As a container does that runs on after its pod was deleted by force: a folder is a link for some microseconds, again and again.
    const swap = `
    const { existsSync, renameSync, symlinkSync, unlinkSync } = require('node:fs');
    const tried = (step) => { try { step(); } catch {} };
    console.log('swapping');
    while (existsSync('d') || existsSync('x')) {
      tried(() => renameSync('d', 'x'));
      tried(() => symlinkSync(process.argv[1], 'd'));
      tried(() => unlinkSync('d'));
      tried(() => renameSync('x', 'd'));
    }`;
    // One removal is not always in time for that.
    for (let round = 0; round < 6; round += 1) {
      fill(join(volume, 'd'));
      const swapping = spawn(process.execPath, ['-e', swap, elsewhere], {
        cwd: volume,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(swapping, 'exit');
      await once(swapping.stdout, 'data');
      await reconcile({ volumes: [volumeObject(volume)] }, data);
      swapping.kill('SIGKILL');
      await exited;
      expect(await readdir(elsewhere)).toHaveLength(files.length);
    }
  },
);

describe('with another control plane', () => {
  async function decide(
    objects: { classes?: object[]; claims?: object[]; volumes?: object[] },
    nodeName = 'b',
  ): Promise<Change[]> {
    const changes: Change[] = [];
    const [classes, claims, volumes] = [new Store<StorageClass>(), new Store<Claim>(), new Store<Volume>()];
    const change = async (each: Change): Promise<void> => void changes.push(each);
    const one = new Provisioner(
      { classes, claims, volumes, change },
      { folder: join(await tempDir('storage'), 'volumes'), nodeName, hasWorkers: false, isShared: true },
    );
    classes.replace((objects.classes ?? [both]).map(readClass));
    claims.replace((objects.claims ?? []).map(readClaim));
    volumes.replace((objects.volumes ?? []).map(readVolume));
    await one.reconcile();
    return changes;
  }

  const both = classObject({ name: 'k8s-single', annotations: isDefault }, onlyOn('b', 'k8s-single'));

  it('the class is that of both, and neither takes it for its own', async () => {
    expect(await decide({ classes: [own] })).toMatchObject([
      { method: 'PATCH', body: onlyOn('b', 'k8s-single') },
    ]);
    expect(await decide({})).toEqual([]);
    expect(await decide({}, 'k8s-single')).toEqual([]);
  });

  it('a claim and a volume of its node are left to it', async () => {
    expect(await decide({ claims: [claimObject(asked)] })).toEqual([]);
    expect(await decide({ claims: [claimObject(asked)] }, 'k8s-single')).toMatchObject([{ method: 'POST' }]);
    const nodeAffinity = {
      required: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: 'kubernetes.io/hostname', values: ['k8s-single'] }] },
        ],
      },
    };
    expect(await decide({ volumes: [volumeObject('/elsewhere', { nodeAffinity })] })).toEqual([]);
  });

  it('a claim that waits for no pod is that of one of them', async () => {
    const classes = [both, classObject({ name: 'now' }, { volumeBindingMode: 'Immediate' })];
    const { 'volume.beta.kubernetes.io/storage-provisioner': provisionedBy } = asked;
    const claims = [
      claimObject(
        { 'volume.beta.kubernetes.io/storage-provisioner': provisionedBy },
        { storageClassName: 'now' },
      ),
    ];
    expect(await decide({ classes, claims })).toMatchObject([{ method: 'POST' }]);
    expect(await decide({ classes, claims }, 'k8s-single')).toEqual([]);
  });
});
