import { constants, existsSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { reasonOf } from '../lib/errors.ts';
import { note, ok, problem, toFailure } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { enoughInstances } from './inotify.ts';
import { runOne } from './tool.ts';
import { recordUndo } from './undoJournal.ts';

interface Sysctl {
  /** As in sysctl(8). */
  readonly name: string;
  readonly atLeast: number;
  /** A change of that one sets this one, too. */
  readonly impliedBy?: string;
}

interface Group {
  readonly subject: string;
  /** A node does not work without them: pods reach nothing, and kube-proxy does not start. */
  readonly isRequired: boolean;
  readonly sysctls: readonly Sysctl[];
  /** What does not work where they are read-only, although high enough. */
  readonly lostIfReadOnly?: string;
  /** The kernel module that has them. Nothing loads it by itself. */
  readonly module?: string;
}

/**
 * Sends what crosses a bridge through iptables. Without it, the answer of a pod to another one on this node bypasses the
 * translation of the Service's address. Pods have IPv4 only, so that bridge-nf-call-ip6tables does not matter.
 */
const bridgeFilter: Group = {
  subject: 'bridge filter',
  isRequired: true,
  sysctls: [{ name: 'net.bridge.bridge-nf-call-iptables', atLeast: 1 }],
  module: 'br_netfilter',
};

const groups: readonly Group[] = [
  {
    subject: 'forwarding',
    isRequired: true,
    sysctls: [
      { name: 'net.ipv4.ip_forward', atLeast: 1 },
      // Of interfaces made later, such as the pods' bridge.
      { name: 'net.ipv4.conf.default.forwarding', atLeast: 1, impliedBy: 'net.ipv4.ip_forward' },
      // kube-proxy insists on it in iptables mode (NewProxier in pkg/proxy/iptables).
      { name: 'net.ipv4.conf.all.route_localnet', atLeast: 1 },
    ],
    lostIfReadOnly: 'so that host ports of pods do not answer on 127.0.0.1',
  },
  bridgeFilter,
  {
    subject: 'inotify',
    isRequired: false,
    // The user's own programs count, too. The watches: the 8192 of older kernels are too few; from 5.11 on, the default is higher.
    sysctls: [
      { name: 'fs.inotify.max_user_instances', atLeast: enoughInstances },
      { name: 'fs.inotify.max_user_watches', atLeast: 65_536 },
    ],
  },
  {
    subject: 'conntrack',
    isRequired: false,
    // kube-proxy's minimum (--conntrack-min).
    sysctls: [{ name: 'net.netfilter.nf_conntrack_max', atLeast: 131_072 }],
  },
];

interface CurrentValue extends Sysctl {
  readonly value: number;
  readonly isWritable: boolean;
}

/** Checks the sysctls. `isDirect`: the node runs without a sandbox, so `up` raises those that are too low. */
export async function checkSysctls(isDirect: boolean): Promise<CheckResult[]> {
  return Promise.all(
    // A sandbox has its own network namespace, with its own network sysctls.
    groups
      .filter(({ isRequired, module }) => isDirect || !isRequired || module !== undefined)
      .map(
        async (group) =>
          (await checkModule(group, isDirect)) ?? resultOf(group, await readValues(group), isDirect),
      ),
  );
}

/** Turns on in this network namespace, which is the node's own, what a node requires. */
export async function setSandboxSysctls(): Promise<void> {
  for (const { name, atLeast } of groups
    .filter(({ isRequired }) => isRequired)
    .flatMap((group) => group.sysctls)) {
    // Before Linux 5.3 the bridge's is the machine's, and not seen from here.
    if (existsSync(fileOf(name))) await writeFile(fileOf(name), String(atLeast));
  }
}

/**
 * Loads the kernel module of the bridge's sysctls where it is not loaded. It stays: others may need it by then.
 * @throws Failure `preflight` when it cannot be loaded, or when a sandbox would need a change of the whole machine's sysctl
 */
export async function loadBridgeFilter(isDirect: boolean): Promise<void> {
  const { subject, module = '' } = bridgeFilter;
  if (!isLoaded(bridgeFilter)) {
    await runOne(['modprobe', module]).catch((error: unknown) => {
      throw toFailure(notLoaded(subject, module, reasonOf(error).trim().split('\n').at(-1)));
    });
  }
  const result = isDirect ? undefined : await checkModule(bridgeFilter, isDirect);
  if (result?.level === 'problem') throw toFailure(result);
}

/** The result for a group whose module decides. `undefined` when the values do. */
async function checkModule(group: Group, isDirect: boolean): Promise<CheckResult | undefined> {
  const { subject, module } = group;
  if (module === undefined) return undefined;
  if (isLoaded(group)) {
    const values = await readValues(group);
    if (isDirect && values.length > 0) return undefined;
    if (values.length === 0)
      return ok(subject, `${module} is loaded; this namespace does not show its sysctls`);
    if (isOfEachNamespace() || !values.some(isLow)) return ok(subject, `${module} is loaded`);
    const low = values.map(({ name, value }) => `${name} is ${value}`).join(', ');
    const message = `${low} for the whole machine: pods do not reach Services`;
    return problem(subject, message, `sysctl -w ${values.map(({ name }) => `${name}=1`).join(' ')}`);
  }
  const canLoad = await runOne(['modprobe', '--dry-run', '--quiet', module]).then(
    () => true,
    () => false,
  );
  return canLoad
    ? ok(subject, `while the node is up: the kernel module ${module}`)
    : notLoaded(subject, module);
}

function notLoaded(subject: string, module: string, reason = ''): CheckResult {
  const message = `the kernel module ${module} is not loaded, so that pods would not reach Services`;
  const remedy = `modprobe ${module}; for a container, on its host. The kernel needs CONFIG_BRIDGE_NETFILTER`;
  return problem(subject, reason === '' ? message : `${message}: ${reason}`, remedy);
}

/** Only a module that is no part of the kernel itself is in /sys/module. */
function isLoaded({ sysctls, module = '' }: Group): boolean {
  return existsSync(`/sys/module/${module}`) || sysctls.every(({ name }) => existsSync(fileOf(name)));
}

/** Each network namespace has the bridge's sysctls, on at first, since Linux 5.3 (commit ff6d090d0db4). */
function isOfEachNamespace(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 5 || (major === 5 && minor >= 3);
}

/**
 * Raises the sysctls that are too low until the node is down, and records their values in the undo journal.
 * @throws Failure `preflight` when one that a node requires is too low and read-only.
 */
export async function raiseSysctls(runDir: string): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  await loadBridgeFilter(true);
  for (const group of groups) {
    const values = await readValues(group);
    const result = resultOf(group, values, true);
    if (result.level === 'problem') throw toFailure(result);
    results.push(result);
    for (const { name, value, atLeast } of values.filter((each) => isLow(each) && each.isWritable)) {
      const file = fileOf(name);
      await recordUndo(runDir, {
        kind: 'sysctl',
        file,
        before: String(value),
        after: String(atLeast),
      });
      await writeFile(file, String(atLeast));
    }
  }
  return results;
}

function resultOf(
  { subject, isRequired, lostIfReadOnly }: Group,
  values: readonly CurrentValue[],
  isDirect: boolean,
): CheckResult {
  const current = values.map(({ name, value }) => `${name} is ${value}`).join(', ');
  if (values.length === 0) return ok(subject, 'not in use');
  const stuck = values.filter((each) => isLow(each) && !(isDirect && each.isWritable));
  if (stuck.length === 0) {
    if (lostIfReadOnly !== undefined && !values.every((each) => each.isWritable)) {
      const message = `${current}; read-only, ${lostIfReadOnly}`;
      return note(subject, message, 'in a container, run it with --privileged');
    }
    const raised = values.filter(isLow).map(({ name, atLeast }) => `${name} ${atLeast}`);
    return ok(
      subject,
      raised.length === 0 ? current : `${current}; while the node is up: ${raised.join(', ')}`,
    );
  }
  const assignments = stuck.map(({ name, atLeast }) => `${name}=${atLeast}`);
  if (!isRequired) {
    return note(subject, `low: ${current}`, `on the host: sysctl -w ${assignments.join(' ')}`);
  }
  return problem(
    subject,
    `${stuck.map(({ name, value }) => `${name} is ${value}`).join(', ')} and read-only`,
    `run the container with --privileged, or with --sysctl ${assignments.join(' --sysctl ')}`,
  );
}

/** Whether the network sysctls of interfaces can be written: in some containers they are read-only. */
export async function areNetworkSettingsWritable(): Promise<boolean> {
  return isWritable('/proc/sys/net/ipv4/conf/all/route_localnet');
}

/** The current values of the sysctls that this kernel has. */
async function readValues({ sysctls }: Group): Promise<CurrentValue[]> {
  const values = await Promise.all(
    sysctls.map(async (sysctl) => {
      const file = fileOf(sysctl.name);
      const text = await readFile(file, 'utf8').catch(() => undefined);
      if (text === undefined) return [];
      return [{ ...sysctl, value: Number(text), isWritable: await isWritable(file) }];
    }),
  );
  const low = new Set(
    values
      .flat()
      .filter(isLow)
      .map(({ name }) => name),
  );
  return values.flat().filter(({ impliedBy = '' }) => !low.has(impliedBy));
}

function isLow({ value, atLeast }: CurrentValue): boolean {
  return value < atLeast;
}

function fileOf(name: string): string {
  return join('/proc/sys', name.replaceAll('.', '/'));
}

/** Opens the file for writing and writes nothing. */
async function isWritable(file: string): Promise<boolean> {
  return open(file, constants.O_WRONLY).then(
    async (opened) => opened.close().then(() => true),
    () => false,
  );
}
