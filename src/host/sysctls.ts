import { constants } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { note, ok, problem, toFailure } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { recordUndo } from './undoJournal.ts';

interface Sysctl {
  /** As in sysctl(8). */
  readonly name: string;
  readonly atLeast: number;
}

interface Group {
  readonly subject: string;
  /** A node does not work without them: pods reach nothing, and kube-proxy does not start. */
  readonly isRequired: boolean;
  readonly sysctls: readonly Sysctl[];
}

const groups: readonly Group[] = [
  {
    subject: 'forwarding',
    isRequired: true,
    sysctls: [
      { name: 'net.ipv4.ip_forward', atLeast: 1 },
      // kube-proxy insists on it in iptables mode (NewProxier in pkg/proxy/iptables).
      { name: 'net.ipv4.conf.all.route_localnet', atLeast: 1 },
    ],
  },
  {
    subject: 'inotify',
    isRequired: false,
    // The instances are from kind's known issues ("Pod errors due to too many open files"): the user's own programs count, too.
    // The watches: the 8192 of older kernels are too few; from 5.11 on, the default is higher.
    sysctls: [
      { name: 'fs.inotify.max_user_instances', atLeast: 512 },
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
      .filter(({ isRequired }) => isDirect || !isRequired)
      .map(async (group) => resultOf(group, await readValues(group), isDirect)),
  );
}

/**
 * Raises the sysctls that are too low until the node is down, and records their values in the undo journal.
 * @throws Failure `preflight` when one that a node requires is too low and read-only.
 */
export async function raiseSysctls(runDir: string): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
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
  { subject, isRequired }: Group,
  values: readonly CurrentValue[],
  isDirect: boolean,
): CheckResult {
  const current = values.map(({ name, value }) => `${name} is ${value}`).join(', ');
  if (values.length === 0) return ok(subject, 'not in use');
  const stuck = values.filter((each) => isLow(each) && !(isDirect && each.isWritable));
  if (stuck.length === 0) {
    if (isRequired && !values.every((each) => each.isWritable)) {
      const message = `${current}; read-only, so that host ports of pods do not answer on 127.0.0.1`;
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
  return values.flat();
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
