import { z } from 'zod';
import { defaults } from '../components/defaults.ts';
import { bool, duration, filled, integer, list, map, oneOrMore, pattern, word } from './fields.ts';
import { parseListen } from './listen.ts';
import { nodeName, nodeNameForm } from '../../lib/paths.ts';
import { networkSchema } from './network.ts';

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';

/** The knobs of the Kubernetes node: the top level of a config beside `components`. */
export const nodeShape = {
  name: pattern(nodeName, nodeNameForm)
    .default(defaults.name)
    .describe('Which node this is: several can run side by side, each with its own data.'),
  nodeName: pattern(new RegExp(`^(?=.{1,63}$)${label}(\\.${label})*$`), 'a host name in lower case')
    .default(defaults.nodeName)
    .describe('What Kubernetes calls the node.'),
  dataDir: pattern(/^\//, 'an absolute path')
    .exactOptional()
    .describe('What survives `down`: certificates, etcd, images, logs. Default: /var/lib/k8s-single/NAME.'),
  binDirs: list(filled('a folder'))
    .default([])
    .describe('Folders with binaries, looked in before anything is installed.'),
  kubernetes: z
    .preprocess((value) => (value === 'false' ? false : value), z.union([z.literal(false), word()]))
    .refine((value) => value === false || /^v?1\.\d+(\.\d+)?$/.test(value), {
      error: 'expected a version like 1.20 or 1.20.2, or false',
      abort: true,
    })
    .transform((value) => (value === false ? value : value.replace(/^v/, '')))
    .exactOptional()
    .describe(
      'The version to install where there is a choice. `false`: no Kubernetes, only the components below.',
    ),
  pauseImage: filled('an image name')
    .exactOptional()
    .describe("The image that holds a pod's namespaces open. Default: one that is built here."),
  listen: filled('a port on a loopback address, like 127.0.0.1:9990')
    .refine((text) => parseListen(text) !== undefined, {
      error: 'expected a port on a loopback address, like 127.0.0.1:9990',
    })
    .exactOptional()
    .describe('Where the page, the metrics and all else that can be read are served. Default: nowhere.'),
  images: list(filled('a file or a folder'))
    .default([])
    .describe(
      'Images that the node knows from its start: archives (docker save, OCI layout, gzipped or not) and OCI folders.',
    ),
  network: networkSchema.prefault({}),
  etcd: map({
    fsync: bool()
      .prefault(defaults.etcd.fsync)
      .describe('Wait for the disk at each write. Without it a throw-away node boots up to a second sooner.'),
  }).prefault({}),
  kubelet: map({
    maxPods: integer(1, 1000).prefault(defaults.kubelet.maxPods).describe('How many pods the node takes.'),
  }).prefault({}),
  logs: map({
    maxMiB: integer(1, 1_000_000)
      .default(defaults.logs.maxMiB)
      .describe('A log that is longer, in MiB, is moved away and begun anew.'),
    keep: integer(0, 100)
      .default(defaults.logs.keep)
      .describe('How many logs of each component are kept beside the current one.'),
    forward: oneOrMore(word())
      .prefault([])
      .describe('Components whose logs `up` shows as they are written, or `all`. For `docker logs`.'),
  }).prefault({}),
  features: map({
    kubeProxy: bool().prefault(defaults.features.kubeProxy).describe('Services: cluster IPs and node ports.'),
  }).prefault({}),
  timeouts: map({
    boot: duration()
      .prefault(`${defaults.timeouts.boot / 1000}s`)
      .describe('The whole boot, from nothing to ready.'),
  }).prefault({}),
};

const nodeSchema = map(nodeShape);

/** The knobs with their defaults filled in. Durations are in ms. `kubernetes: false`: the graph has no node at all. */
export type NodeConfig = z.output<typeof nodeSchema>;
