import { existsSync } from 'node:fs';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { listAt, parseJson, textAt } from '../../probes/transport/json.ts';
import { initialObjectsFile } from '../../src/kubernetes/components/initialObjects.ts';
import { cacheDir } from '../../src/lib/paths.ts';
import { cli, tempDir } from '../support/cli.ts';

/** Prints all objects when the kubelet has made its lease, up to ten seconds after its start, and no controller has changed any since a second. */
const script = `
  kinds=$(kubectl api-resources --verbs=list --output=name | grep -v '^events' | paste -sd,)
  all() { kubectl get "$kinds" --all-namespaces --output=json; }
  timeless() { printf '%s' "$1" | sed 's/"\\(resourceVersion\\|.*[tT]ime\\)": .*//'; }
  until kubectl get lease k8s-single --namespace kube-node-lease >&2; do sleep 0.5; done
  before= now=
  until [ -n "$before" ] && [ "$(timeless "$now")" = "$(timeless "$before")" ]; do
    sleep 1
    before=$now now=$(all)
  done
  printf '%s' "$now"`;

/** The objects of every kind of a new node, when its controllers have nothing left to do, by kind and name. */
async function objectsOf(cacheHome?: string): Promise<ReadonlyMap<string, unknown>> {
  const env = cacheHome === undefined ? {} : { XDG_CACHE_HOME: cacheHome };
  const { exitCode, stdout, stderr } = await cli(
    ['run', '--no-pool', '--no-install', '--', 'sh', '-c', script],
    { env },
  );
  if (exitCode !== 0) throw new Error(String(stderr));
  const items = listAt(parseJson(String(stdout)), 'items');
  return new Map(items.map((item) => [nameOf(item), item]));
}

function nameOf(item: unknown): string {
  const [kind, namespace, name] = [
    textAt(item, 'kind'),
    textAt(item, 'metadata', 'namespace'),
    textAt(item, 'metadata', 'name'),
  ];
  return [kind, namespace, withoutSuffix(name)].join('/');
}

/** Secrets with tokens have random suffixes. */
function withoutSuffix(text: string): string {
  return text.replace(/-token-\w{5}$/, '-token').replace(/^172\.30\.\d+\.\d+$/, 'NODE');
}

/** What differs between two clusters: identities, times, certificates and tokens, and what a kubelet reports of its machine. */
const own =
  /^(?:uid|resourceVersion|selfLink|generation|.*[tT]ime|creationTimestamp|.*ca-file|ca\.crt|data|holderIdentity|images|nodeInfo|allocatable|capacity|conditions|daemonEndpoints|kubernetes\.io\/service-account\.uid)$/;

function comparable(objects: ReadonlyMap<string, unknown>): ReadonlyMap<string, unknown> {
  const plain = (key: string, value: unknown): unknown => {
    if (own.test(key)) return undefined;
    return typeof value === 'string' ? withoutSuffix(value) : value;
  };
  return new Map([...objects].map(([name, object]) => [name, JSON.parse(JSON.stringify(object, plain))]));
}

/** The links to all that is in the cache but the initial objects. */
async function cacheWithoutInitialObjects(): Promise<string> {
  const home = await tempDir('cache');
  const folder = join(home, 'k8s-single');
  await mkdir(folder);
  for (const name of await readdir(cacheDir()))
    if (name !== 'initial-objects') await symlink(join(cacheDir(), name), join(folder, name));
  return home;
}

it('a node that begins with what install has prepared ends up with the same objects as one without', async () => {
  expect(existsSync(initialObjectsFile(cacheDir(), '1.20.2'))).toBe(true);
  const plain = await objectsOf(await cacheWithoutInitialObjects());
  const prepared = await objectsOf();
  const revisionsOf = (objects: ReadonlyMap<string, unknown>): string[] =>
    ['cluster-admin', 'system:node', 'system:discovery'].map((name) =>
      textAt(objects.get(`ClusterRole//${name}`), 'metadata', 'resourceVersion'),
    );
  // All at once, not one by one by the API server.
  expect(new Set(revisionsOf(prepared)).size).toBe(1);
  expect(new Set(revisionsOf(plain)).size).toBe(3);
  const uids = [plain, prepared].flatMap((objects) =>
    [...objects.values()].map((object) => textAt(object, 'metadata', 'uid')).filter(Boolean),
  );
  expect(uids.length).toBeGreaterThan(2 * 200);
  expect(new Set(uids).size).toBe(uids.length);
  // The controller manager has added the rules of other roles.
  expect(listAt(plain.get('ClusterRole//admin'), 'rules').length).toBeGreaterThan(10);
  expect(comparable(prepared)).toEqual(comparable(plain));
});
