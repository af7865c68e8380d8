import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseJson } from '../../../probes/transport/json.ts';
import type { Component } from '../../engine/component.ts';
import { componentProcesses } from '../../host/cgroup/nodeCgroup.ts';
import { assertRoot } from '../../host/root.ts';
import { binaryRows } from '../../install/find/binaryRows.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import { kubeconfigPaths } from '../../kubernetes/kubeconfig/clients.ts';
import { pkiPaths } from '../../kubernetes/pki/paths.ts';
import { exitCodes, Failure } from '../../lib/errors.ts';
import { cacheDir, nodePaths, tempDir } from '../../lib/paths.ts';
import type { Paths } from '../../lib/paths.ts';
import { table } from '../../lib/text/table.ts';
import type { Cell } from '../../lib/text/table.ts';
import { styleFor } from '../../observe/terminal/style.ts';
import { loadNodeConfig } from '../../supervisor/options.ts';
import { plannedGraph } from '../../supervisor/plannedGraph.ts';
import { benchmark, judgedPrograms, judgeNode } from './benchmark.ts';
import type { InspectedNode, JudgedCheck } from './benchmark.ts';
import type { DoctorOptions } from './checks.ts';

const marks = { pass: '✓', fail: '✗', notApplied: '·' } as const;
const colours = { pass: 'green', fail: 'red', notApplied: 'yellow' } as const;

/**
 * `k8s-single doctor --security`: prints the result of each check of the benchmark for the node that runs, or else for the one
 * that `up` would start. Exits with the preflight code if a check fails.
 * @throws Failure `usage` when the config is not valid, or for a graph without Kubernetes
 */
export async function doctorSecurity({
  json = false,
  ...options
}: DoctorOptions & { readonly json?: boolean }): Promise<number> {
  assertRoot();
  const { subject, results } = await securityResults(options);
  if (json) console.log(JSON.stringify({ benchmark, node: subject, checks: results }, undefined, 2));
  else print(subject, results);
  return results.some(({ result }) => result === 'fail') ? exitCodes.preflight : exitCodes.ok;
}

function print(subject: string, results: readonly JudgedCheck[]): void {
  const style = styleFor(process.stdout, process.env);
  const rows = results.map(({ id, title, result, reason }): Cell[] => [
    { text: marks[result], style: (text) => style(colours[result], text) },
    id,
    title,
    {
      text: result === 'notApplied' ? `not applied: ${reason}` : reason,
      style: (text) => style('dim', text),
    },
  ]);
  console.log(`${benchmark}, ${subject}`);
  for (const line of table(rows, { columns: [{ gap: 1 }] })) console.log(line);
  const count = (which: JudgedCheck['result']): number =>
    results.filter(({ result }) => result === which).length;
  console.log(`${count('pass')} passed, ${count('fail')} failed, ${count('notApplied')} not applied`);
}

async function securityResults(
  options: DoctorOptions,
): Promise<{ subject: string; results: readonly JudgedCheck[] }> {
  const config = await loadNodeConfig(options);
  const { name, dataDir, kubernetes } = config.node;
  if (kubernetes === false) throw new Failure('usage', 'a graph without Kubernetes has no such checks');
  const running = await readNodeFile(name).catch(() => undefined);
  const parts = {
    hasProxy: config.node.features.kubeProxy,
    hasEtcd: config.node.etcd.endpoints === undefined,
  };
  if (running !== undefined) {
    const inspected = inspect(await runningCommands(name), nodePaths(name, running.dataDir ?? dataDir), {
      ...parts,
      hasEtcd: running.etcd !== undefined,
    });
    return { subject: `the running node ${name}`, results: judgeNode(inspected) };
  }
  // What a start would make, in a folder of its own: certificates, config files, and the folders with their modes.
  const scratch = mkdtempSync(join(tempDir(), 'k8s-single-doctor-'));
  try {
    const node = { ...config.node, dataDir: scratch };
    const rows = await binaryRows({ binDirs: node.binDirs, cacheDir: cacheDir(), kubernetes: undefined });
    const found = (binary: string) => rows.find((row) => row.binary === binary);
    // Without a kubelet, one that lists no flags: the newest.
    const files = { kubelet: found('kubelet')?.path ?? '/bin/true' };
    const graph = plannedGraph({ ...config, node }, found('kube-apiserver')?.version, files);
    const inspected = inspect(await plannedCommands(graph), nodePaths(name, scratch), parts);
    const results = judgeNode(inspected).map(({ id, title, result, reason }) => {
      return { id, title, result, reason: reason.replaceAll(scratch, nodePaths(name, dataDir).data) };
    });
    return { subject: `the node ${name} as it would be started`, results };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

type Commands = ReadonlyMap<string, readonly string[]>;

function inspect(
  commands: Commands,
  paths: Paths,
  parts: Pick<InspectedNode, 'hasProxy' | 'hasEtcd'>,
): InspectedNode {
  const programs = new Map([...commands].map(([name, args]) => [name, flagsOf(args)]));
  const file = (program: string, flag: string): unknown => {
    const path = programs.get(program)?.get(flag)?.at(-1);
    return path === undefined ? undefined : parseJson(readText(path));
  };
  return {
    programs,
    kubeletConfig: file('kubelet', 'config'),
    auditPolicy: file('kube-apiserver', 'audit-policy-file'),
    encryption: file('kube-apiserver', 'encryption-provider-config'),
    paths,
    pki: pkiPaths(paths.pki),
    kubeconfigs: kubeconfigPaths(paths.kubeconfigs),
    ...parts,
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** `--name=value`, `--name value`, and `--name` for `true`, as the programs read them (pflag, and etcd's package flag). */
function flagsOf(args: readonly string[]): Map<string, string[]> {
  const flags = new Map<string, string[]>();
  for (const [index, arg] of args.entries()) {
    const [, name, value] = /^--?([^=]+)(?:=([^]*))?$/.exec(arg) ?? [];
    if (name === undefined) continue;
    const next = args[index + 1];
    const given = value ?? (next === undefined || next.startsWith('-') ? 'true' : next);
    flags.set(name, [...(flags.get(name) ?? []), given]);
  }
  return flags;
}

/** The command lines of the processes of a node, by program. */
async function runningCommands(name: string): Promise<Commands> {
  const commands = new Map<string, readonly string[]>();
  for (const pid of await componentProcesses(name)) {
    const [program = '', ...args] = readText(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
    const known = judgedPrograms.find((each) => each === basename(program));
    if (known !== undefined) commands.set(known, args);
  }
  return commands;
}

const programOf: Readonly<Record<string, string>> = {
  apiserver: 'kube-apiserver',
  'controller-manager': 'kube-controller-manager',
  scheduler: 'kube-scheduler',
};

/** The command lines of a graph. Making them also writes the config files to which they refer. */
async function plannedCommands(graph: readonly Component[]): Promise<Commands> {
  const commands = new Map<string, readonly string[]>();
  for (const component of graph) {
    const { name } = component;
    if (component.kind === 'task') {
      if (name === 'pki' && typeof component.run === 'function')
        await component.run(new AbortController().signal, () => undefined);
      continue;
    }
    const program = programOf[name] ?? name;
    if (program !== 'containerd' && !judgedPrograms.some((each) => each === program)) continue;
    const command = typeof component.command === 'function' ? await component.command() : component.command;
    commands.set(program, command.args);
  }
  return commands;
}
