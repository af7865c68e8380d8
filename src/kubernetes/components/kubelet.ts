import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { http } from '../../../probes/kinds/http.ts';
import type { Dependency, Service } from '../../engine/component.ts';
import { kubeconfigOf } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { flags } from './flags.ts';
import { knownFlags } from './help.ts';
import { pkiPaths } from '../pki/paths.ts';

const port = 10250;
const healthPort = 10248;

/** Runs the pods. It needs containerd alone: it registers the node whenever the API answers. */
export function kubelet(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const { config, paths, programs, env, ip } = facts;
  const configFile = join(paths.kubelet, 'config.json');
  const command = async () => {
    const runtime = await runtimeFlags(facts);
    mkdirSync(paths.kubelet, { recursive: true, mode: 0o700 });
    const configuration = { ...kubeletConfiguration(facts), ...runtime.config };
    writeFileSync(configFile, JSON.stringify(configuration, undefined, 2));
    const args = flags({
      'cert-dir': join(paths.kubelet, 'pki'),
      config: configFile,
      'hostname-override': config.nodeName,
      kubeconfig: kubeconfigOf(facts, 'kubelet'),
      'node-ip': ip,
      'root-dir': paths.kubelet,
      ...runtime.flags,
    });
    return { file: programs.kubelet, args, env };
  };
  const healthy = http(`http://127.0.0.1:${healthPort}/healthz`);
  return {
    kind: 'service',
    name: 'kubelet',
    needs,
    command,
    // A ping: whether it registered and runs pods is the milestone `node`.
    ready: healthy,
    live: healthy,
    ports: [port, healthPort],
  };
}

/** Until 1.26 containerd is a flag among others, from 1.27 on it is the only runtime and a field of the config file. */
async function runtimeFlags({ programs, cacheDir, paths }: NodeFacts) {
  const known = await knownFlags(programs.kubelet, cacheDir);
  const endpoint = `unix://${paths.containerdSocket}`;
  return known.has('container-runtime')
    ? { flags: { 'container-runtime': 'remote', 'container-runtime-endpoint': endpoint }, config: {} }
    : { flags: {}, config: { containerRuntimeEndpoint: endpoint } };
}

function kubeletConfiguration({ config, paths, minor, cgroupRoot }: NodeFacts): object {
  const pki = pkiPaths(paths.pki);
  const { dnsIp, clusterDomain } = config.network;
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: pki.ca.cert },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot,
    clusterDNS: [dnsIp],
    clusterDomain,
    failSwapOn: false,
    healthzPort: healthPort,
    kubeAPIBurst: 1000,
    kubeAPIQPS: 500,
    maxPods: config.kubelet.maxPods,
    port,
    tlsCertFile: pki.kubeletServer.cert,
    tlsPrivateKeyFile: pki.kubeletServer.key,
    // Up to 1.25 what became ready is told at the next report only, which is 10 s apart unless told otherwise; and then
    // reports without news are as frequent unless told otherwise, too.
    ...(minor < 26 ? { nodeStatusUpdateFrequency: '1s', nodeStatusReportFrequency: '5m' } : {}),
    // The field came with 1.31; from 1.35 on the default is to refuse cgroup v1.
    ...(minor >= 31 && isCgroupV1() ? { failCgroupV1: false } : {}),
  };
}

function isCgroupV1(): boolean {
  return !existsSync('/sys/fs/cgroup/cgroup.controllers');
}
