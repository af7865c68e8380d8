import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { startGraph } from '../../src/engine/startGraph.ts';
import { apiserver } from '../../src/kubernetes/components/apiserver.ts';
import { certificates } from '../../src/kubernetes/components/certificates.ts';
import { etcd } from '../../src/kubernetes/components/etcd.ts';
import { initialObjects } from '../../src/kubernetes/components/initialObjects.ts';
import type { NodeFacts } from '../../src/kubernetes/facts.ts';
import { SecretsEncryption } from '../../src/kubernetes/encryption.ts';
import { factsOf, unknownHost } from '../../src/supervisor/nodeFacts.ts';
import { loadNodeConfig } from '../../src/supervisor/options.ts';
import { resolveBinaries } from '../../src/supervisor/resolveBinaries.ts';
import { freePort } from '../dns/cases.ts';

/** A real etcd and a real API server on this machine, without a node: nothing runs what is stored in them. */
export interface ControlPlane {
  readonly facts: NodeFacts;
  stop(): Promise<void>;
}

interface Options {
  /** The file with initial objects. Default: none. */
  readonly initialObjects?: string;
  /** Start etcd alone. */
  readonly onlyEtcd?: boolean;
}

export async function startControlPlane({
  initialObjects: file = '/nowhere',
  onlyEtcd = false,
}: Options = {}): Promise<ControlPlane> {
  const dataDir = await mkdtemp('/var/tmp/k8s-single-control-plane-');
  const ports = [await freePort(), await freePort(), await freePort()];
  const options = { dataDir, install: false, source: 'auto', output: 'plain' } as const;
  const { node } = await loadNodeConfig(options);
  const network = { ...node.network, apiserverPort: ports[0]!, etcdPort: ports[1]!, etcdPeerPort: ports[2]! };
  const config = { ...node, network, etcd: { fsync: false } };
  const binaries = await resolveBinaries(options, config);
  const facts = { ...factsOf(config, binaries, unknownHost), initialObjects: file };
  const all = [
    etcd(facts, []),
    certificates(facts, []),
    initialObjects(facts, ['etcd']),
    apiserver(facts, new SecretsEncryption(facts.paths, false), ['pki', 'etcd']),
  ];
  const components = (onlyEtcd ? all.slice(0, 1) : all).filter((each) => each !== undefined);
  const graph = startGraph(components, {
    emit: () => undefined,
    logDir: join(dataDir, 'log'),
    timeoutMs: 60_000,
  });
  const stop = async (): Promise<void> => {
    await graph.down();
    await rm(dataDir, { recursive: true });
  };
  await graph.ready.catch(async (error: unknown) => {
    await stop().catch(() => undefined);
    throw error;
  });
  return { facts, stop };
}

/** The settings of addons in the text of a config. */
export function addonsIn(yaml: string) {
  return parseConfig(`addons:\n${yaml.replaceAll(/^/gm, '  ')}`, 'config.yaml').node.addons;
}
