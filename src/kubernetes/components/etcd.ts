import { join } from 'node:path';
import { etcd as healthy } from '../../../probes/kinds/etcd.ts';
import type { Dependency, Service } from '../../engine/component.ts';
import { nodeProgram } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { assertDatabase, ifDamaged } from './database.ts';
import { flags, knownFlags } from './flags.ts';

/** etcd, on loopback only. */
export function etcd(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const { config, paths, programs, cacheDir } = facts;
  const { etcdPort, etcdPeerPort } = config.network;
  const client = `http://127.0.0.1:${etcdPort}`;
  const peer = `http://127.0.0.1:${etcdPeerPort}`;
  const fixed = {
    'advertise-client-urls': client,
    'data-dir': paths.etcd,
    // In ms. Even a single member waits this long before it elects itself at a restart.
    'election-timeout': 200,
    'heartbeat-interval': 40,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
    'listen-client-urls': client,
    'listen-peer-urls': peer,
  };
  const remedy = `the state of the cluster cannot be read: put a copy of ${paths.etcd} back, or remove it: the cluster is new then`;
  const command = async () => {
    assertDatabase(join(paths.etcd, 'member/snap/db'), remedy);
    // Since 3.4.14 and 3.5. An older etcd only writes more slowly.
    const noFsync = !config.etcd.fsync && (await knownFlags(programs.etcd, cacheDir)).has('unsafe-no-fsync');
    return nodeProgram(facts, 'etcd', flags({ ...fixed, 'unsafe-no-fsync': noFsync || undefined }));
  };
  return {
    kind: 'service',
    name: 'etcd',
    needs,
    command,
    ready: healthy(client),
    // Ignores a full quota, which a restart does not fix.
    live: healthy(client, { live: true }),
    remedy: (reason) => ifDamaged(reason, remedy),
    ports: [etcdPort, etcdPeerPort],
  };
}
