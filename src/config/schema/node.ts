import { z } from 'zod';
import { Failure } from '../../lib/errors.ts';
import { nodeName, nodeNameForm } from '../../lib/paths.ts';
import { addonsSchema } from './addons.ts';
import { parseListen } from './addresses.ts';
import { defaults, dnsServers, loadBalancers, storages } from './defaults.ts';
import { etcdSchema } from './etcd.ts';
import {
  bool,
  duration,
  filled,
  integer,
  list,
  map,
  oneOf,
  oneOrMore,
  pattern,
  short,
  word,
} from './fields.ts';
import { duplicatePort, parsePort } from './ports.ts';
import { networkSchema } from './network.ts';
import { registriesSchema } from './registries.ts';

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
/** 1.36, 1.36.2 or 1.37.0-rc.1, with a `v` or not, and the names of release channels. */
const versionForm = /^(stable|latest|v?1\.\d+(\.\d+(-(alpha|beta|rc)\.\d+)?)?)$/;
const mirrorForm = 'a URL like https://files.example.com/mirror';
const listenForm = 'a port on a loopback address, like 127.0.0.1:9990';

/** The settings of the Kubernetes node: every top-level key of a config except `components`. */
export const nodeShape = {
  name: pattern(nodeName, nodeNameForm)
    .default(defaults.name)
    .describe(
      `The name of this node for k8s-single. Nodes with different names run side by side, each with its own data. Default: ${defaults.name}.`,
    ),
  nodeName: pattern(new RegExp(`^(?=.{1,63}$)${label}(\\.${label})*$`), 'a host name in lower case')
    .default(defaults.nodeName)
    .describe(`The name of the node in Kubernetes. Default: ${defaults.nodeName}.`),
  dataDir: pattern(/^\//, 'an absolute path')
    .exactOptional()
    .describe(
      'The directory for all that persists after `down`: certificates, etcd, images, logs. Default: /var/lib/k8s-single/NAME.',
    ),
  binDirs: list(filled('a directory'))
    .default([])
    .describe('Directories to search for binaries before any are installed. Default: none.'),
  kubernetes: z
    .preprocess((value) => (value === 'false' ? false : value), z.union([z.literal(false), word()]))
    .refine((value) => value === false || versionForm.test(value), {
      error: 'expected a version like 1.36 or 1.36.2, stable, latest, or false',
      abort: true,
    })
    .transform((value) => (value === false ? value : value.replace(/^v/, '')))
    .exactOptional()
    .describe(
      'The Kubernetes version to install: 1.36 for its newest patch, 1.36.2, `stable`, or `latest`, which may be a pre-release; or `false` for a graph of your own components without Kubernetes. Default: the version that is in the cache, or the newest one that this program was tested with.',
    ),
  mirror: filled(mirrorForm)
    .refine((text) => URL.canParse(text) && /^https?:/.test(text), { error: `expected ${mirrorForm}` })
    .exactOptional()
    .describe(
      'The URL of a server with the files of dl.k8s.io and github.com, each in a folder of that name, to download official releases from. Default: $K8S_SINGLE_MIRROR, or those servers themselves.',
    ),
  pauseImage: filled('an image name')
    .exactOptional()
    .describe("The image of the container that holds a pod's namespaces. Default: built on this machine."),
  listen: filled(listenForm)
    .refine((text) => parseListen(text) !== undefined, { error: `expected ${listenForm}` })
    .exactOptional()
    .describe(
      'A port on a loopback address that serves the web page and the Prometheus metrics, read-only for every user of the machine. Default: none.',
    ),
  images: list(filled('a file or a directory'))
    .default([])
    .describe(
      'Images to import before the node is ready: archives (docker save or OCI layout, also gzipped) and OCI directories, relative to this file. Default: none.',
    ),
  registries: registriesSchema
    .default({})
    .describe(
      'How images are pulled, by the host of a registry or of a mirror; "*" stands for all other registries. Default: as Docker would.',
    ),
  ports: list(word())
    .superRefine((ports, context) => {
      const refuse = (index: number, message: string): void =>
        context.addIssue({ code: 'custom', path: [index], message });
      const flaws = ports.map((port) => parsePort(port));
      for (const [index, flaw] of flaws.entries()) if (typeof flaw === 'string') refuse(index, flaw);
      if (flaws.some((flaw) => typeof flaw === 'string')) return;
      const duplicate = duplicatePort(ports);
      if (duplicate !== undefined) refuse(duplicate.index, duplicate.reason);
    })
    .default([])
    .describe(
      'Ports of the host that lead to the node, each [ADDRESS:]HOST:NODE[/udp]: on loopback without an address; HOST 0 is any free port. Default: none.',
    ),
  network: networkSchema.prefault({}).describe('Address ranges, names and ports.'),
  dns: short(
    'server',
    map({
      server: oneOf(dnsServers)
        .default(defaults.dns.server)
        .describe(
          `What answers: embedded, a server of k8s-single; coredns, a binary from binDirs, PATH or an official release; auto, CoreDNS if there is a binary that fits the version of Kubernetes, else embedded; none. Default: ${defaults.dns.server}.`,
        ),
      corefile: filled('a file')
        .exactOptional()
        .describe(
          'A Corefile for CoreDNS, relative to this file, instead of the built-in one. Default: none.',
        ),
    }),
  )
    .prefault({})
    .describe("The cluster's DNS, for names of Services and pods; just a word stands for `server`."),
  storage: oneOf(storages)
    .default(defaults.storage)
    .describe(
      `Persistent volumes: local, a default StorageClass with folders in the data directory; none. Default: ${defaults.storage}.`,
    ),
  encryption: bool()
    .prefault(defaults.encryption)
    .describe(
      `Encrypt Secrets in etcd, with a key in the data directory; switching it on or off rewrites them all. Default: ${defaults.encryption}.`,
    ),
  loadBalancer: oneOf(loadBalancers)
    .default(defaults.loadBalancer)
    .describe(
      `Services of type LoadBalancer: node, they get the node's address; none. Default: ${defaults.loadBalancer}.`,
    ),
  addons: addonsSchema,
  snapshots: map({
    every: duration()
      .refine((ms) => ms >= 60_000, { error: 'expected at least 1m' })
      .exactOptional()
      .describe(
        'How often a snapshot of the cluster is taken while the node runs, at least 1m. Default: never.',
      ),
    keep: integer(1, 10_000)
      .prefault(defaults.snapshots.keep)
      .describe(`The number of these snapshots that are kept. Default: ${defaults.snapshots.keep}.`),
    dir: filled('a directory')
      .exactOptional()
      .describe(
        'The directory in which each node has one for its snapshots, relative to this file. Default: `snapshots` in the data directory, which `down --purge` removes.',
      ),
    passphraseFile: filled('a file')
      .exactOptional()
      .describe(
        'A file with a passphrase that encrypts them, relative to this file and not below /run. Default: not encrypted.',
      ),
  })
    .prefault({})
    .describe('Snapshots of the cluster.'),
  etcd: etcdSchema
    .prefault({})
    .describe("Settings of the node's etcd, or an etcd of others that holds the cluster instead."),
  kubelet: map({
    maxPods: integer(1, 1000)
      .prefault(defaults.kubelet.maxPods)
      .describe(`The maximum number of pods on the node. Default: ${defaults.kubelet.maxPods}.`),
    minFreeMiB: integer(0, 100_000_000)
      .exactOptional()
      .describe(
        'The free space in MiB on the disk of the data directory below which the kubelet evicts pods and `up` refuses to start; 0: never. Default: 5 % of the disk, at most 1024.',
      ),
  })
    .prefault({})
    .describe('Settings of the kubelet.'),
  logs: map({
    maxMiB: integer(1, 1_000_000)
      .default(defaults.logs.maxMiB)
      .describe(`The size in MiB at which a log is rotated. Default: ${defaults.logs.maxMiB}.`),
    keep: integer(0, 100)
      .default(defaults.logs.keep)
      .describe(
        `The number of rotated logs kept for each component, besides the current one. Default: ${defaults.logs.keep}.`,
      ),
    forward: oneOrMore(word())
      .prefault([])
      .describe(
        'Components whose logs `up` prints in the foreground, or `all`; useful for `docker logs`. Default: none.',
      ),
  })
    .prefault({})
    .describe('Log rotation and forwarding, the same for all components.'),
  features: map({
    kubeProxy: bool()
      .prefault(defaults.features.kubeProxy)
      .describe(
        `Run kube-proxy, which implements the Services' cluster IPs and node ports. Default: ${defaults.features.kubeProxy}.`,
      ),
  })
    .prefault({})
    .describe('Optional parts of the node.'),
  timeouts: map({
    boot: duration()
      .prefault(`${defaults.timeouts.boot / 1000}s`)
      .describe(
        `The time limit for the whole boot, until every component is ready. Default: ${defaults.timeouts.boot / 1000}s.`,
      ),
  })
    .prefault({})
    .describe('Time limits.'),
};

const nodeSchema = map(nodeShape);

/** The settings with defaults filled in. Durations are in ms. `kubernetes: false`: the graph has no node. */
export type NodeConfig = z.output<typeof nodeSchema>;

/** Settings from the command line, which override those of the file. */
export type SettingOverrides = Readonly<
  Partial<Pick<NodeConfig, 'name' | 'dataDir' | 'listen' | 'kubernetes' | 'mirror'>>
>;

/** A config file with unparsed components: their references can only be resolved once the settings are known. */
export const settingsSchema = map({ ...nodeShape, components: z.unknown().exactOptional() });

/** The defaults with these overrides. @throws Failure `usage` when one is invalid. */
export function resolveSettings(overrides: SettingOverrides): NodeConfig {
  const { data, error } = settingsSchema.safeParse(overrides);
  if (data !== undefined) return data;
  const { path, message } = error.issues[0]!;
  throw new Failure('usage', `${path.join('.')}: ${message}`);
}
