import type { AddonConfig } from './addons.ts';

/** Who answers DNS questions of the cluster: see `dns` in node.ts. */
export const dnsServers = ['auto', 'embedded', 'coredns', 'none'] as const;

/** Who binds claims to volumes: see `storage` in node.ts. */
export const storages = ['local', 'none'] as const;

/** The key of `registries` that stands for all registries that have no key of their own. */
export const anyRegistry = '*';

/** The word for `credentials` of a registry that stands for the config file of the user's docker. */
export const dockerCredentials = 'docker';

/** Who gives Services of type LoadBalancer an address: see `loadBalancer` in node.ts. */
export const loadBalancers = ['node', 'none'] as const;

/** The defaults of all settings, for the schema and for a config without a file. */
export const defaults = {
  name: 'default',
  nodeName: 'k8s-single',
  binDirs: [] as string[],
  images: [] as string[],
  registries: {},
  ports: [] as string[],
  network: {
    podCidr: '10.244.0.0/24',
    // The /16 around podCidr: see network.ts.
    clusterCidr: '10.244.0.0/16',
    serviceCidr: '10.0.0.0/24',
    // The tenth address of serviceCidr: see network.ts.
    dnsIp: '10.0.0.10',
    clusterDomain: 'cluster.local',
    apiserverPort: 6443,
    etcdPort: 4001,
    etcdPeerPort: 2380,
  },
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any of the words
  dns: { server: 'auto' as (typeof dnsServers)[number] },
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- either of the words
  storage: 'local' as (typeof storages)[number],
  encryption: false,
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- either of the words
  loadBalancer: 'node' as (typeof loadBalancers)[number],
  addons: {} as Record<string, AddonConfig>,
  snapshots: { keep: 5 },
  etcd: { fsync: true },
  kubelet: { maxPods: 110 },
  logs: { maxMiB: 50, keep: 3, forward: [] as string[] },
  features: { kubeProxy: true },
  // In ms.
  timeouts: { boot: 300_000 },
};
