import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { at, listAt } from '../../../probes/transport/json.ts';
import { cipherSuites } from '../../kubernetes/components/flags.ts';
import type { Pki } from '../../kubernetes/pki/paths.ts';
import type { Kubeconfigs } from '../../kubernetes/kubeconfig/clients.ts';
import type { Paths } from '../../lib/paths.ts';

/** The programs whose command lines are judged. */
export const judgedPrograms = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
] as const;
type ProgramName = (typeof judgedPrograms)[number];

/** What is judged of a node: its command lines, the config files in them, and its files. */
export interface InspectedNode {
  /** The values of each flag, in the order of the command line. A program that does not run is missing. */
  readonly programs: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  /** What is in the files that the command lines name; undefined if they name none. */
  readonly kubeletConfig: unknown;
  readonly auditPolicy: unknown;
  readonly encryption: unknown;
  readonly paths: Paths;
  readonly pki: Pki;
  readonly kubeconfigs: Kubeconfigs;
  /** Whether kube-proxy is part of the node, and etcd. */
  readonly hasProxy: boolean;
  readonly hasEtcd: boolean;
}

/** The result of a check, and what was seen, or why the check does not apply. */
interface Verdict {
  readonly result: 'pass' | 'fail' | 'notApplied';
  readonly reason: string;
}

type Judge = (node: InspectedNode) => Verdict;

interface Check {
  /** The number in the benchmark. */
  readonly id: string;
  readonly title: string;
  readonly judge: Judge;
}

export interface JudgedCheck extends Verdict {
  readonly id: string;
  readonly title: string;
}

/** The benchmark whose numbers are used. */
export const benchmark = 'CIS Kubernetes Benchmark 1.11';

const verdict = (isGood: boolean, reason: string): Verdict => ({ result: isGood ? 'pass' : 'fail', reason });
const notApplied =
  (reason: string): Judge =>
  () => ({ result: 'notApplied', reason });

/** Judges the values of a flag; an empty list if it is not given. */
function flag(
  program: ProgramName,
  name: string,
  isGood: (values: readonly string[]) => boolean,
  ifMissing = 'is not given',
): Judge {
  return ({ programs }) => {
    const flags = programs.get(program);
    if (flags === undefined) return verdict(false, `${program} does not run`);
    const values = flags.get(name) ?? [];
    const seen = values.length === 0 ? `--${name} ${ifMissing}` : `--${name}=${values.at(-1)}`;
    return verdict(isGood(values), seen);
  };
}

const is =
  (value: string) =>
  (values: readonly string[]): boolean =>
    values.at(-1) === value;
const isGiven = (values: readonly string[]): boolean => (values.at(-1) ?? '') !== '';
const isNotGiven = (values: readonly string[]): boolean => values.length === 0;
/** All values of a flag that adds to a list each time that it is given. */
const itemsOf = (values: readonly string[]): string[] => values.flatMap((value) => value.split(','));
const has =
  (item: string) =>
  (values: readonly string[]): boolean =>
    itemsOf(values).includes(item);
const hasNot =
  (item: string) =>
  (values: readonly string[]): boolean =>
    !itemsOf(values).includes(item);
const atLeast =
  (least: number) =>
  (values: readonly string[]): boolean =>
    Number(values.at(-1) ?? 0) >= least;
const isStrong = (values: readonly string[]): boolean =>
  values.length > 0 && itemsOf(values).every((suite) => cipherSuites.some((strong) => strong === suite));
const byDefault = 'is not given, and safe by default';
const off = is('false');
const isOffByDefault = (values: readonly string[]): boolean => values.length === 0 || off(values);

/** All must pass; the reason is that of the first that does not, or of all. */
function all(...judges: readonly Judge[]): Judge {
  return (node) => {
    const verdicts = judges.map((judge) => judge(node));
    return (
      verdicts.find(({ result }) => result !== 'pass') ??
      verdict(true, verdicts.map(({ reason }) => reason).join(' '))
    );
  };
}

/** Judges a field of the kubelet's config file. */
function kubelet(path: string, isGood: (value: unknown) => boolean): Judge {
  return ({ programs, kubeletConfig }) => {
    if (!programs.has('kubelet')) return verdict(false, 'kubelet does not run');
    const value = at(kubeletConfig, ...path.split('.'));
    const seen = value === undefined ? `${path} is not set` : `${path}: ${JSON.stringify(value)}`;
    return verdict(isGood(value), seen);
  };
}

type FilesOf = (node: InspectedNode) => readonly string[];

/** Every file that is there has at most these bits of its mode. */
function mode(filesOf: FilesOf, max: number): Judge {
  return onFiles(
    filesOf,
    ({ mode: bits }) => (bits & 0o777 & ~max) === 0,
    ({ mode: bits }) => (bits & 0o777).toString(8),
  );
}

/** Every file that is there belongs to root:root. */
function owner(filesOf: FilesOf): Judge {
  return onFiles(
    filesOf,
    ({ uid, gid }) => uid === 0 && gid === 0,
    ({ uid, gid }) => `${uid}:${gid}`,
  );
}

interface Stat {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

function onFiles(filesOf: FilesOf, isGood: (stat: Stat) => boolean, describe: (stat: Stat) => string): Judge {
  return (node) => {
    const found = filesOf(node).flatMap((file) => {
      const stat = lstatSync(file, { throwIfNoEntry: false });
      return stat === undefined ? [] : [{ file, stat }];
    });
    if (found.length === 0) return { result: 'notApplied', reason: 'there is no such file' };
    const bad = found.find(({ stat }) => !isGood(stat));
    if (bad !== undefined) return verdict(false, `${bad.file}: ${describe(bad.stat)}`);
    const [first] = found;
    const seen = first === undefined ? '' : `${first.file}: ${describe(first.stat)}`;
    return verdict(true, found.length > 1 ? `${found.length} files, like ${seen}` : seen);
  };
}

/** The files of a folder with this end of their names. */
function filesIn(folder: string, end = ''): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(end))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

const cniFiles: FilesOf = ({ paths }) => filesIn(paths.cni);
/** The file or folder that a flag names. */
const named =
  (program: ProgramName, name: string): FilesOf =>
  ({ programs }) =>
    programs.get(program)?.get(name)?.slice(-1) ?? [];
const kubeletConfigFile = named('kubelet', 'config');
const schedulerConf: FilesOf = ({ kubeconfigs }) => [kubeconfigs.scheduler];
const managerConf: FilesOf = ({ kubeconfigs }) => [kubeconfigs.controllerManager];
const proxyConf: FilesOf = ({ kubeconfigs }) => [kubeconfigs.proxy];
const kubeletConf: FilesOf = ({ kubeconfigs }) => [kubeconfigs.kubelet];
const caFile: FilesOf = ({ pki }) => [pki.ca.cert];

const noPodFile = notApplied('there are no static pods: the supervisor starts the programs');
const podFiles = ['API server', 'controller manager', 'scheduler', 'etcd'].flatMap((name, index): Check[] => [
  { id: `1.1.${2 * index + 1}`, title: `Mode of the pod file of the ${name}`, judge: noPodFile },
  { id: `1.1.${2 * index + 2}`, title: `Owner of the pod file of the ${name}`, judge: noPodFile },
]);

const files: readonly Check[] = [
  ...podFiles,
  { id: '1.1.9', title: 'Mode of the CNI files', judge: mode(cniFiles, 0o600) },
  { id: '1.1.10', title: 'Owner of the CNI files', judge: owner(cniFiles) },
  { id: '1.1.11', title: "Mode of etcd's data folder", judge: mode(named('etcd', 'data-dir'), 0o700) },
  {
    id: '1.1.12',
    title: "Owner of etcd's data folder is etcd:etcd",
    judge: notApplied("etcd runs as root in the node's namespaces, and nobody else reads its folder"),
  },
  {
    id: '1.1.13',
    title: "Mode of the administrator's kubeconfig",
    judge: mode(({ paths }) => [paths.kubeconfig], 0o600),
  },
  {
    id: '1.1.14',
    title: "Owner of the administrator's kubeconfig",
    judge: owner(({ paths }) => [paths.kubeconfig]),
  },
  { id: '1.1.15', title: "Mode of the scheduler's kubeconfig", judge: mode(schedulerConf, 0o600) },
  { id: '1.1.16', title: "Owner of the scheduler's kubeconfig", judge: owner(schedulerConf) },
  { id: '1.1.17', title: "Mode of the controller manager's kubeconfig", judge: mode(managerConf, 0o600) },
  { id: '1.1.18', title: "Owner of the controller manager's kubeconfig", judge: owner(managerConf) },
  {
    id: '1.1.19',
    title: 'Owner of the certificates and their folder',
    judge: owner(({ paths }) => [paths.pki, ...filesIn(paths.pki)]),
  },
  {
    id: '1.1.20',
    title: 'Mode of the certificates',
    judge: mode(({ paths }) => filesIn(paths.pki, '.crt'), 0o644),
  },
  {
    id: '1.1.21',
    title: 'Mode of the private keys',
    judge: mode(({ paths }) => filesIn(paths.pki, '.key'), 0o600),
  },
];

const api = 'kube-apiserver';
const admission = 'enable-admission-plugins';

/** Judges the provider that writes Secrets. */
function isEncrypted(isGood: (provider: string) => boolean): Judge {
  return ({ programs, encryption }) => {
    if (programs.get(api)?.has('encryption-provider-config') !== true)
      return { result: 'notApplied', reason: '"encryption: true" in the config turns it on' };
    const [provider] = Object.keys(listAt(listAt(encryption, 'resources')[0], 'providers')[0] ?? {});
    return verdict(provider !== undefined && isGood(provider), `provider ${provider}`);
  };
}

const apiserver: readonly Check[] = [
  { id: '1.2.1', title: 'No anonymous requests', judge: flag(api, 'anonymous-auth', off) },
  { id: '1.2.2', title: 'No file of tokens', judge: flag(api, 'token-auth-file', isNotGiven) },
  {
    id: '1.2.4',
    title: 'A client certificate towards the kubelet',
    judge: all(flag(api, 'kubelet-client-certificate', isGiven), flag(api, 'kubelet-client-key', isGiven)),
  },
  {
    id: '1.2.5',
    title: "The kubelet's certificate is verified",
    judge: flag(api, 'kubelet-certificate-authority', isGiven),
  },
  {
    id: '1.2.6',
    title: 'Not everything is authorized',
    judge: flag(api, 'authorization-mode', (values) => values.length > 0 && hasNot('AlwaysAllow')(values)),
  },
  { id: '1.2.7', title: 'Authorization of nodes', judge: flag(api, 'authorization-mode', has('Node')) },
  { id: '1.2.8', title: 'Authorization by roles', judge: flag(api, 'authorization-mode', has('RBAC')) },
  {
    id: '1.2.10',
    title: 'No admission plugin AlwaysAdmit',
    judge: flag(api, admission, hasNot('AlwaysAdmit')),
  },
  {
    id: '1.2.12',
    title: 'Admission plugin ServiceAccount',
    judge: flag(api, 'disable-admission-plugins', hasNot('ServiceAccount'), byDefault),
  },
  {
    id: '1.2.13',
    title: 'Admission plugin NamespaceLifecycle',
    judge: flag(api, 'disable-admission-plugins', hasNot('NamespaceLifecycle'), byDefault),
  },
  {
    id: '1.2.14',
    title: 'Admission plugin NodeRestriction',
    judge: flag(api, admission, has('NodeRestriction')),
  },
  { id: '1.2.15', title: 'No profiling', judge: flag(api, 'profiling', off) },
  { id: '1.2.16', title: 'An audit log', judge: flag(api, 'audit-log-path', isGiven) },
  {
    id: '1.2.17',
    title: 'Audit logs are kept for 30 days',
    judge: flag(api, 'audit-log-maxage', atLeast(30)),
  },
  { id: '1.2.18', title: '10 audit logs are kept', judge: flag(api, 'audit-log-maxbackup', atLeast(10)) },
  { id: '1.2.19', title: 'An audit log has 100 MB', judge: flag(api, 'audit-log-maxsize', atLeast(100)) },
  {
    id: '1.2.21',
    title: 'Tokens of deleted accounts are refused',
    judge: flag(api, 'service-account-lookup', is('true')),
  },
  {
    id: '1.2.22',
    title: 'A key for the tokens of accounts',
    judge: flag(api, 'service-account-key-file', isGiven),
  },
  {
    id: '1.2.23',
    title: 'A client certificate towards etcd',
    judge: all(flag(api, 'etcd-certfile', isGiven), flag(api, 'etcd-keyfile', isGiven)),
  },
  {
    id: '1.2.24',
    title: 'A certificate of its own',
    judge: all(flag(api, 'tls-cert-file', isGiven), flag(api, 'tls-private-key-file', isGiven)),
  },
  { id: '1.2.25', title: 'A CA for client certificates', judge: flag(api, 'client-ca-file', isGiven) },
  { id: '1.2.26', title: "etcd's certificate is verified", judge: flag(api, 'etcd-cafile', isGiven) },
  { id: '1.2.27', title: 'Secrets are encrypted', judge: isEncrypted(() => true) },
  {
    id: '1.2.28',
    title: 'Secrets are encrypted by a strong provider',
    judge: isEncrypted((provider) => ['secretbox', 'aescbc', 'kms'].includes(provider)),
  },
  { id: '1.2.29', title: 'Strong ciphers only', judge: flag(api, 'tls-cipher-suites', isStrong) },
  {
    id: '1.2.30',
    title: 'No extended life for tokens of pods',
    judge: flag(api, 'service-account-extend-token-expiration', off),
  },
];

const manager = 'kube-controller-manager';

/** Up to 1.21 both controllers serve on `--address`, see components/differences.ts. */
function isLoopback(program: ProgramName): Judge {
  return (node) => {
    const name = node.programs.get(program)?.has('address') === true ? 'address' : 'bind-address';
    return flag(program, name, is('127.0.0.1'))(node);
  };
}

const controllers: readonly Check[] = [
  { id: '1.3.2', title: 'No profiling in the controller manager', judge: flag(manager, 'profiling', off) },
  {
    id: '1.3.3',
    title: 'Each controller has its own account',
    judge: flag(manager, 'use-service-account-credentials', is('true')),
  },
  {
    id: '1.3.4',
    title: 'A key that signs the tokens of accounts',
    judge: flag(manager, 'service-account-private-key-file', isGiven),
  },
  { id: '1.3.5', title: 'Pods get the CA of the API server', judge: flag(manager, 'root-ca-file', isGiven) },
  {
    id: '1.3.6',
    title: 'Certificates of kubelets may be rotated',
    judge: flag(manager, 'feature-gates', hasNot('RotateKubeletServerCertificate=false'), byDefault),
  },
  { id: '1.3.7', title: 'The controller manager listens on loopback', judge: isLoopback(manager) },
  { id: '1.4.1', title: 'No profiling in the scheduler', judge: flag('kube-scheduler', 'profiling', off) },
  { id: '1.4.2', title: 'The scheduler listens on loopback', judge: isLoopback('kube-scheduler') },
];

const etcd: readonly Check[] = [
  {
    id: '2.1',
    title: 'A certificate for clients',
    judge: all(flag('etcd', 'cert-file', isGiven), flag('etcd', 'key-file', isGiven)),
  },
  { id: '2.2', title: 'Clients need a certificate', judge: flag('etcd', 'client-cert-auth', is('true')) },
  {
    id: '2.3',
    title: 'No certificate signed by itself',
    judge: flag('etcd', 'auto-tls', isOffByDefault, byDefault),
  },
  {
    id: '2.4',
    title: 'A certificate for peers',
    judge: all(flag('etcd', 'peer-cert-file', isGiven), flag('etcd', 'peer-key-file', isGiven)),
  },
  { id: '2.5', title: 'Peers need a certificate', judge: flag('etcd', 'peer-client-cert-auth', is('true')) },
  {
    id: '2.6',
    title: 'No certificate signed by itself for peers',
    judge: flag('etcd', 'peer-auto-tls', isOffByDefault, byDefault),
  },
  {
    id: '2.7',
    title: 'A CA of its own',
    judge: (node) => {
      const ca = node.programs.get('etcd')?.get('trusted-ca-file')?.at(-1);
      const other = node.programs.get(api)?.get('client-ca-file')?.at(-1);
      return verdict(
        ca !== undefined && ca !== other,
        `--trusted-ca-file=${ca}, and ${other} for the API server`,
      );
    },
  },
  {
    id: '3.2.1',
    title: 'An audit policy',
    judge: ({ auditPolicy }) => {
      const rules = at(auditPolicy, 'rules');
      const count = Array.isArray(rules) ? rules.length : 0;
      return verdict(count > 0, `${count} rules`);
    },
  },
];

const node: readonly Check[] = [
  {
    id: '4.1.1',
    title: "Mode of the kubelet's service file",
    judge: notApplied('it is no service of systemd'),
  },
  {
    id: '4.1.2',
    title: "Owner of the kubelet's service file",
    judge: notApplied('it is no service of systemd'),
  },
  { id: '4.1.3', title: "Mode of kube-proxy's kubeconfig", judge: mode(proxyConf, 0o600) },
  { id: '4.1.4', title: "Owner of kube-proxy's kubeconfig", judge: owner(proxyConf) },
  { id: '4.1.5', title: "Mode of the kubelet's kubeconfig", judge: mode(kubeletConf, 0o600) },
  { id: '4.1.6', title: "Owner of the kubelet's kubeconfig", judge: owner(kubeletConf) },
  { id: '4.1.7', title: 'Mode of the CA', judge: mode(caFile, 0o644) },
  { id: '4.1.8', title: 'Owner of the CA', judge: owner(caFile) },
  { id: '4.1.9', title: "Mode of the kubelet's config file", judge: mode(kubeletConfigFile, 0o600) },
  { id: '4.1.10', title: "Owner of the kubelet's config file", judge: owner(kubeletConfigFile) },
  {
    id: '4.2.1',
    title: 'No anonymous requests to the kubelet',
    judge: kubelet('authentication.anonymous.enabled', (value) => value === false),
  },
  {
    id: '4.2.2',
    title: 'The kubelet does not authorize everything',
    judge: kubelet('authorization.mode', (value) => value === 'Webhook'),
  },
  {
    id: '4.2.3',
    title: "A CA for the kubelet's clients",
    judge: kubelet('authentication.x509.clientCAFile', (value) => value !== undefined),
  },
  {
    id: '4.2.4',
    title: 'No port without authentication',
    judge: kubelet('readOnlyPort', (value) => value === 0),
  },
  {
    id: '4.2.5',
    title: 'Idle connections end',
    judge: kubelet('streamingConnectionIdleTimeout', (value) => value !== '0s' && value !== '0'),
  },
  {
    id: '4.2.6',
    title: 'The kubelet keeps its packet filter rules',
    judge: kubelet('makeIPTablesUtilChains', (value) => value === true),
  },
  {
    id: '4.2.7',
    title: 'No name other than that of the machine',
    judge: notApplied(
      'the node keeps its name when it runs on another machine, and its certificates are for it',
    ),
  },
  {
    id: '4.2.9',
    title: "The kubelet's certificate is of the cluster's CA",
    judge: all(
      kubelet('tlsCertFile', (value) => value !== undefined),
      kubelet('tlsPrivateKeyFile', (value) => value !== undefined),
    ),
  },
  {
    id: '4.2.10',
    title: 'Client certificates are rotated',
    judge: notApplied('each start of the node renews those with less than a fifth of their life left'),
  },
  {
    id: '4.2.11',
    title: 'Server certificates are rotated',
    judge: notApplied('each start of the node renews those with less than a fifth of their life left'),
  },
  {
    id: '4.2.12',
    title: 'Strong ciphers only in the kubelet',
    judge: kubelet('tlsCipherSuites', (value) => Array.isArray(value) && isStrong(value.map(String))),
  },
  {
    id: '4.3.1',
    title: "kube-proxy's metrics are on loopback",
    judge: (inspected) =>
      inspected.hasProxy
        ? flag(
            'kube-proxy',
            'metrics-bind-address',
            (values) => values.at(-1)?.startsWith('127.0.0.1:') ?? true,
          )(inspected)
        : { result: 'notApplied', reason: 'there is no kube-proxy' },
  },
  {
    id: '4.2.6 of 1.8',
    title: 'The kubelet refuses other sysctls of the kernel than its own',
    judge: notApplied('a node does not change the kernel of the machine that it shares'),
  },
];

/** The etcd of others is theirs to judge. */
const ofOwnEtcd = ({ judge, ...check }: Check): Check => ({
  ...check,
  judge: (inspected) =>
    inspected.hasEtcd
      ? judge(inspected)
      : { result: 'notApplied', reason: 'the cluster is in an etcd of others: etcd.endpoints' },
});

/**
 * The automated checks of the benchmark for the control plane, etcd and the node, and those of its manual ones that can be judged
 * from command lines and files. Titles are ours.
 */
const checks: readonly Check[] = [...files, ...apiserver, ...controllers, ...etcd.map(ofOwnEtcd), ...node];

/** The result of each check. */
export function judgeNode(inspected: InspectedNode): JudgedCheck[] {
  return checks.map(({ id, title, judge }) => {
    const { result, reason } = judge(inspected);
    return { id, title, result, reason };
  });
}
