import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { http } from '../../../probes/kinds/http.ts';
import { podResolvConf } from '../../host/resolvConf.ts';
import type { Dependency, Diagnosis, Service } from '../../engine/component.ts';
import { bootstrapKubeconfig, kubeconfigPaths } from '../kubeconfig/clients.ts';
import { diskSpace, minFreeInodes } from '../../host/diskSpace.ts';
import { writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { nodeProgram } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { pauseImageOf } from '../images/pauseImage.ts';
import { kubeletRuntime } from './differences.ts';
import { ifWrongKind } from './database.ts';
import { cipherSuites, flags, knownFlags } from './flags.ts';
import { pkiPaths } from '../pki/paths.ts';

/** Where the API server reaches the kubelet, on all addresses. */
export const kubeletPort = 10250;
const healthPort = 10248;

/** The kubelet. Does not need the API server to start: it registers the node when the API server answers. */
export function kubelet(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const { config, paths, ip } = facts;
  const configFile = join(paths.kubelet, 'config.json');
  const command = async () => {
    const runtime = kubeletRuntime(await knownFlags(facts.programs.kubelet, facts.cacheDir), {
      endpoint: `unix://${paths.containerdSocket}`,
      pauseImage: pauseImageOf(config),
    });
    mkdirSync(paths.kubelet, { recursive: true, mode: 0o700 });
    const resolvConf = await resolvConfFile(facts);
    const configuration = {
      ...kubeletConfiguration(facts),
      ...eviction(facts),
      ...runtime.config,
      resolvConf,
    };
    writeFileAtomicallySync(configFile, JSON.stringify(configuration, undefined, 2), { mode: 0o600 });
    const args = flags({
      'cert-dir': join(paths.kubelet, 'pki'),
      config: configFile,
      'hostname-override': config.nodeName,
      kubeconfig: kubeconfigPaths(paths.kubeconfigs).kubelet,
      'node-ip': ip,
      'root-dir': paths.kubelet,
      // Only used to get the first certificate, with which the kubelet writes its kubeconfig.
      'bootstrap-kubeconfig':
        facts.joining === undefined ? undefined : bootstrapKubeconfig(paths.kubeconfigs),
      ...runtime.flags,
    });
    return nodeProgram(facts, 'kubelet', args);
  };
  const healthy = http(`http://127.0.0.1:${healthPort}/healthz`);
  return {
    kind: 'service',
    name: 'kubelet',
    needs,
    command,
    // healthz is a ping. The milestone `node` waits for registration and readiness for pods.
    ready: healthy,
    live: healthy,
    diagnose: (reason) => diagnose(reason, paths.kubelet),
    ports: [kubeletPort, healthPort],
  };
}

/**
 * What the reason of a failure says of the kubelet's folder, in which nothing is that it does not make again.
 * @internal exported for tests
 */
export function diagnose(reason: string, folder: string): Diagnosis | undefined {
  if (
    !/checkpoint is corrupted|could not restore state from checkpoint|configured policy .* differs/.test(
      reason,
    )
  )
    return ifWrongKind(reason);
  const remedy = `remove the files in it that end in _state: they are made again`;
  return { isPermanent: true, fault: `${folder} has a damaged state`, remedy };
}

/**
 * When the kubelet evicts pods, which also removes images that no container uses: see images/pinnedImages.ts. Its defaults of
 * 10 and 15 % leave a laptop with 30 GB free without a node, and its image garbage collection removes what may not come again.
 */
function eviction({ config, paths }: NodeFacts): object {
  const { minFree } = diskSpace(paths.kubelet, config.kubelet.minFreeMiB);
  const [space, inodes] = minFree > 0 ? [String(minFree), `${minFreeInodes * 100}%`] : ['0%', '0%'];
  return {
    imageGCHighThresholdPercent: 100,
    // Without the fields below the kubelet would not evict for their sake.
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': space,
      'nodefs.inodesFree': inodes,
      'imagefs.available': space,
    },
    // How long a condition stays after its cause has ended: by default 5 min, against oscillation among many nodes.
    evictionPressureTransitionPeriod: '30s',
  };
}

/** The resolv.conf from which the kubelet makes those of the pods. */
async function resolvConfFile({ ip, paths }: NodeFacts): Promise<string> {
  const found = await podResolvConf(ip);
  if ('file' in found) return found.file;
  const file = join(paths.kubelet, 'resolv.conf');
  writeFileAtomicallySync(file, found.text, { mode: 0o644 });
  return file;
}

function kubeletConfiguration({ config, paths, ip, differences, cgroupRoot, joining }: NodeFacts): object {
  const pki = pkiPaths(paths.pki);
  const { dnsIp, clusterDomain } = config.network;
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: ip,
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
    makeIPTablesUtilChains: true,
    maxPods: config.kubelet.maxPods,
    port: kubeletPort,
    readOnlyPort: 0,
    // Images are pulled side by side: a slow one holds up no other. Beyond the usual limit, 5 in a second, a pull would fail and be tried
    // again 10 s later.
    registryPullQPS: 0,
    serializeImagePulls: false,
    streamingConnectionIdleTimeout: '4h',
    tlsCipherSuites: cipherSuites,
    // A worker asks the cluster for its certificates, and renews them by itself.
    ...(joining === undefined
      ? { tlsCertFile: pki.kubeletServer.cert, tlsPrivateKeyFile: pki.kubeletServer.key }
      : { rotateCertificates: true, serverTLSBootstrap: true }),
    ...differences.kubernetes.kubeletConfiguration,
  };
}
