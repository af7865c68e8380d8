import { constants } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recordUndo } from './undoJournal.ts';
import { toFailure, ok, note, problem } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';

interface Setting {
  /** As sysctl(8) calls it. */
  readonly name: string;
  readonly atLeast: number;
}

interface Group {
  readonly what: string;
  /** Without them there is no node: pods reach nothing, and kube-proxy does not start. */
  readonly isRequired: boolean;
  readonly settings: readonly Setting[];
}

const groups: readonly Group[] = [
  {
    what: 'forwarding',
    isRequired: true,
    settings: [
      { name: 'net.ipv4.ip_forward', atLeast: 1 },
      // kube-proxy insists on it in iptables mode (NewProxier in pkg/proxy/iptables).
      { name: 'net.ipv4.conf.all.route_localnet', atLeast: 1 },
    ],
  },
  {
    what: 'inotify',
    isRequired: false,
    // The one from kind's known issues ("Pod errors due to too many open files"): the user's own programs count, too. The
    // other is what the kernel's 8192 of old are too few for; from 5.11 on it allows more by itself.
    settings: [
      { name: 'fs.inotify.max_user_instances', atLeast: 512 },
      { name: 'fs.inotify.max_user_watches', atLeast: 65_536 },
    ],
  },
  {
    what: 'conntrack',
    isRequired: false,
    // What kube-proxy asks for at least (--conntrack-min), if it is let.
    settings: [{ name: 'net.netfilter.nf_conntrack_max', atLeast: 131_072 }],
  },
];

interface CurrentValue extends Setting {
  readonly value: number;
  readonly isWritable: boolean;
}

/** How the kernel's settings are, and what becomes of them where the node runs without a box (`changed`). */
export async function checkSysctls(changed: boolean): Promise<CheckResult[]> {
  return Promise.all(
    // In its box the node has a network of its own, with settings of its own.
    groups
      .filter(({ isRequired }) => changed || !isRequired)
      .map(async (group) => resultOf(group, await readValues(group), changed)),
  );
}

/**
 * Changes what is too low until the node is down, and writes down how it was.
 * @throws Failure `preflight` when what a node cannot do without is wrong and read-only.
 */
export async function raiseSysctls(run: string): Promise<CheckResult[]> {
  const findings: CheckResult[] = [];
  for (const group of groups) {
    const settings = await readValues(group);
    const finding = resultOf(group, settings, true);
    if (finding.level === 'problem') throw toFailure(finding);
    findings.push(finding);
    for (const { name, value, atLeast } of settings.filter(isRaisable)) {
      await recordUndo(run, {
        kind: 'setting',
        file: fileOf(name),
        was: String(value),
        now: String(atLeast),
      });
      await writeFile(fileOf(name), String(atLeast));
    }
  }
  return findings;
}

function resultOf(
  { what, isRequired }: Group,
  settings: readonly CurrentValue[],
  changed: boolean,
): CheckResult {
  const values = settings.map(({ name, value }) => `${name} is ${value}`).join(', ');
  if (settings.length === 0) return ok(what, 'not in use');
  const stuck = settings.filter((setting) => isLow(setting) && !(changed && setting.isWritable));
  if (stuck.length === 0) {
    if (isRequired && !settings.every((setting) => setting.isWritable)) {
      const found = `${values}; read-only, so that host ports of pods do not answer on 127.0.0.1`;
      return note(what, found, 'in a container, run it with --privileged');
    }
    const raised = settings.filter(isLow).map(({ name, atLeast }) => `${name} ${atLeast}`);
    return ok(what, raised.length === 0 ? values : `${values}; while the node is up: ${raised.join(', ')}`);
  }
  const wanted = stuck.map(({ name, atLeast }) => `${name}=${atLeast}`);
  const commands = `sysctl -w ${wanted.join(' ')}`;
  if (!isRequired) return note(what, `low: ${values}`, `on the host: ${commands}`);
  const read = `${stuck.map(({ name, value }) => `${name} is ${value}`).join(', ')} and read-only`;
  return problem(
    what,
    read,
    `run the container with --privileged, or with --sysctl ${wanted.join(' --sysctl ')}`,
  );
}

/** Whether interfaces can be set up as the node likes: in some containers the settings are read-only. */
export async function areNetworkSettingsWritable(): Promise<boolean> {
  return isWritable('/proc/sys/net/ipv4/conf/all/route_localnet');
}

/** Those that this kernel has. */
async function readValues({ settings }: Group): Promise<CurrentValue[]> {
  const all = await Promise.all(
    settings.map(async (setting) => {
      const text = await readFile(fileOf(setting.name), 'utf8').catch(() => undefined);
      if (text === undefined) return [];
      return [{ ...setting, value: Number(text), isWritable: await isWritable(fileOf(setting.name)) }];
    }),
  );
  return all.flat();
}

function isLow({ value, atLeast }: CurrentValue): boolean {
  return value < atLeast;
}

function isRaisable(setting: CurrentValue): boolean {
  return isLow(setting) && setting.isWritable;
}

function fileOf(name: string): string {
  return join('/proc/sys', name.replaceAll('.', '/'));
}

/** To open it is not yet to write it. */
async function isWritable(file: string): Promise<boolean> {
  return open(file, constants.O_WRONLY).then(
    async (opened) => opened.close().then(() => true),
    () => false,
  );
}
