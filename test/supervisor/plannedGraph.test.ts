import { expect, test } from 'vitest';
import { configWithoutFile } from '../../src/config/loadConfig.ts';
import { fixedPorts } from '../../src/config/schema/network.ts';
import { plannedGraph } from '../../src/supervisor/plannedGraph.ts';

test.each(['1.20.2', '1.36.0'])(
  'the config knows every port of the components of Kubernetes %s',
  async (version) => {
    const config = await configWithoutFile();
    const { apiserverPort, etcdPort, etcdPeerPort } = config.node.network;
    const ports = plannedGraph(config, version).flatMap((one) =>
      one.kind === 'service' ? (one.ports ?? []) : [],
    );
    const known = new Set([...fixedPorts.keys(), apiserverPort, etcdPort, etcdPeerPort]);
    expect(ports.length).toBeGreaterThan(5);
    expect(ports.filter((port) => !known.has(port))).toEqual([]);
  },
);
