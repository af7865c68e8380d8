import type { NodeConfig } from '../config/schema/node.ts';
import type { Command } from '../engine/component.ts';
import type { NodeFacts } from './facts.ts';

/**
 * The variables that pass from whoever starts the node to its programs: the time zone of their logs, and the CAs that they
 * trust beside those of the system (Go's crypto/x509). Nothing else passes: etcd reads a variable for each of its flags, and a
 * proxy, GODEBUG or NOTIFY_SOCKET would make another node of it.
 */
const inherited = ['TZ', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];

/** The environment of every program of the node, wherever it was started from. */
export function nodeEnvironment(
  starter: NodeJS.ProcessEnv,
  { searchPath, snapshotter }: { readonly searchPath: string; readonly snapshotter: string },
): Record<string, string> {
  return {
    PATH: searchPath,
    HOME: '/root',
    // The kubelet and kube-proxy parse the output of other programs.
    LC_ALL: 'C.UTF-8',
    ...Object.fromEntries(inherited.flatMap((name) => (starter[name] ? [[name, starter[name]]] : []))),
    // For ctr, whose default is overlayfs.
    CONTAINERD_SNAPSHOTTER: snapshotter,
    // Without it a kubelet with in-tree cloud providers asks 169.254.169.254.
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}

/** A command of a component of the node, with the node's environment: the same from any shell. */
export function nodeProgram(
  { programs, env }: Pick<NodeFacts, 'programs' | 'env'>,
  program: keyof NodeFacts['programs'],
  args: readonly string[],
): Command {
  return commandWith(env, programs[program], args);
}

/** The same for a program that is none of Kubernetes, with exactly this environment. */
export function commandWith(env: NodeJS.ProcessEnv, file: string, args: readonly string[]): Command {
  return {
    file,
    args,
    env: Object.fromEntries(
      Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
    inheritEnv: false,
    // The kubelet reads registry credentials in its working folder (credentialprovider.ReadDockerConfigFile).
    cwd: '/',
    // containerd makes the root folders of containers, and the kubelet their /etc/hosts, with its umask: others may read them.
    umask: 0o022,
  };
}

/** The addresses and names in the node, none of which a proxy reaches. */
export function nodeAddresses({ network }: Pick<NodeConfig, 'network'>, ip: string): string[] {
  return [ip, network.podCidr, network.serviceCidr, '.svc', `.${network.clusterDomain}`];
}
