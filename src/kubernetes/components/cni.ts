import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { chainPrefix, keepNatChain } from '../../host/natChain.ts';
import { writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import type { NodeFacts } from '../facts.ts';

/** The bridge on the node to which all pods are attached. */
export const bridgeName = 'cni0';

/**
 * The pod network as a CNI configuration (version 0.4.0): a bridge, addresses from the pod range, host ports.
 */
function bridgeNetwork({ paths, areNetworkSettingsWritable }: NodeFacts, podCidr: string): string {
  const bridge = {
    type: 'bridge',
    bridge: bridgeName,
    isGateway: true,
    // One chain for all pods instead: see masquerade().
    ipMasq: false,
    // A pod may reach itself through its own Service.
    hairpinMode: true,
    ipam: {
      type: 'host-local',
      ranges: [[{ subnet: podCidr }]],
      routes: [{ dst: '0.0.0.0/0' }],
      // In the run folder, so that pods of an earlier run hold no addresses after the node restarts.
      dataDir: join(paths.run, 'cni'),
    },
  };
  const portmap = {
    type: 'portmap',
    capabilities: { portMappings: true },
    // Needed for host ports on 127.0.0.1: the plugin then sets route_localnet of the bridge.
    snat: areNetworkSettingsWritable,
  };
  return JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins: [bridge, portmap] }, undefined, 2);
}

function networkFile({ paths }: NodeFacts): string {
  return join(paths.cni, '10-bridge.conflist');
}

/**
 * Makes the pod network, whose pods have addresses in this range, and tells containerd, which reads the file again when it changes.
 * @throws Error when there is no packet filter
 */
export async function writeNetwork(facts: NodeFacts, podCidr: string): Promise<void> {
  await masquerade(facts, podCidr);
  writeFileAtomicallySync(networkFile(facts), bridgeNetwork(facts, podCidr), { mode: 0o600 });
}

/**
 * Gives packets that leave the pod network the address of the node, as the plugin's `ipMasq` would: it makes a chain for each pod, and
 * runs iptables seven times for it, a fifth of the processor time of a hundred pods.
 */
async function masquerade({ programs }: NodeFacts, podCidr: string): Promise<void> {
  const packetFilter = { save: programs['iptables-save'], restore: programs['iptables-restore'] };
  await keepNatChain(packetFilter, {
    name: `${chainPrefix}MASQUERADE`,
    source: podCidr,
    rules: [`-d ${podCidr} -j RETURN`, '! -d 224.0.0.0/4 -j MASQUERADE'],
    isFirst: false,
  });
}

/** No pod starts until there is a network again. */
export function removeNetwork(facts: NodeFacts): void {
  rmSync(networkFile(facts), { force: true });
}
