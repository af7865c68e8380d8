import { existsSync } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import { arch, cpus, freemem, loadavg, release, totalmem, uptime, version } from 'node:os';
import { execa } from 'execa';
import { stringify } from 'yaml';
import type { Event } from '../../engine/component.ts';
import { client } from '../../control/client.ts';
import { reasonOf } from '../../lib/errors.ts';
import { inContainer } from '../../host/preflight.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import type { Paths } from '../../lib/paths.ts';
import { kubectlEnv } from '../../lib/proxyEnv.ts';
import { logNames, readLogs } from '../../observe/logs/logs.ts';
import { replay } from '../../observe/state/state.ts';
import { statusOf } from '../../observe/state/status.ts';
import type { NodeStatus } from '../../observe/state/status.ts';
import type { BootRecord } from '../../observe/records/bootRecord.ts';
import { failureFile } from '../../observe/records/artifacts.ts';
import { ifRunning } from '../../instance/locateNode.ts';

/** The last lines of each log that go into the report. */
const logLines = 10_000;
/** The time limit of kubectl in ms: the API server may hang. */
const kubectlTimeoutMs = 10_000;

/** One file of a report, with its secrets. */
export interface ReportFile {
  readonly path: string;
  readonly lines: AsyncIterable<string> | Iterable<string>;
}

/** Everything that is known about a node, running or not. The output of kubectl is replaced by its error if it fails. */
export async function* reportFiles(
  name: string,
  paths: Paths,
  record: BootRecord,
): AsyncGenerator<ReportFile, void> {
  const node = client<NodeStatus>(paths.controlSocket);
  const running = await ifRunning(async () => node.status());
  const events = (await ifRunning(async () => node.history())) ?? record.events;
  const { k8sSingle, versions, stages } = record;
  yield json('about.json', {
    k8sSingle,
    node: process.version,
    versions,
    at: new Date().toISOString(),
    running: running !== undefined,
  });
  yield text('config.yaml', stringify(record.config, { lineWidth: 110 }));
  yield json('graph.json', stages);
  yield { path: 'events.jsonl', lines: events.map((event) => JSON.stringify(event)) };
  yield json('status.json', running ?? lastStatus(name, stages, events));
  yield json('host.json', await hostFacts(paths.data));
  const failure = await readFile(failureFile(paths.data), 'utf8').catch(() => undefined);
  if (failure !== undefined) yield text('failure.json', failure);
  if (running !== undefined) yield* kubernetes(name);
  for (const component of await logNames(paths.logs).catch(() => []))
    yield { path: `log/${component}.log`, lines: lastLines(paths.logs, component) };
}

/** The status at the last event. */
function lastStatus(name: string, stages: BootRecord['stages'], events: readonly Event[]): NodeStatus {
  const names = stages.map((stage) => stage.name);
  return statusOf(name, replay(names, events), new Map(), events.at(-1)?.at ?? 0);
}

async function* lastLines(folder: string, component: string): AsyncGenerator<string, void> {
  const options = { components: [component], follow: false, tail: logLines, since: undefined };
  for await (const line of readLogs(folder, options, new AbortController().signal)) yield line.text;
}

async function* kubernetes(name: string): AsyncGenerator<ReportFile, void> {
  const { ip, kubectl, kubeconfig } = await readNodeFile(name);
  if (kubectl === undefined || kubeconfig === undefined) return;
  const args = ['get', 'nodes,pods,services,events', '--all-namespaces', '--output', 'wide'];
  const result = await execa(kubectl, args, {
    env: { ...kubectlEnv([ip]), KUBECONFIG: kubeconfig },
    timeout: kubectlTimeoutMs,
    reject: false,
    all: true,
  });
  yield text('kubernetes.txt', result.failed ? `${result.all}\n${reasonOf(result)}` : result.all);
}

function json(path: string, value: object): ReportFile {
  return text(path, JSON.stringify(value, undefined, 2));
}

function text(path: string, content: string): ReportFile {
  return { path, lines: content.trimEnd().split('\n') };
}

/** Describes the machine without identifying it. Sizes in bytes, times in s. */
async function hostFacts(dataDir: string): Promise<object> {
  const processors = cpus();
  const disk = await statfs(dataDir);
  return {
    system:
      /^PRETTY_NAME="?([^"\n]*)/m.exec(await readFile('/etc/os-release', 'utf8').catch(() => ''))?.[1] ??
      null,
    kernel: `${release()} ${version()}`,
    architecture: arch(),
    processors: { count: processors.length, model: processors[0]?.model ?? null },
    load: loadavg(),
    memory: { total: totalmem(), free: freemem() },
    disk: { total: disk.blocks * disk.bsize, free: disk.bavail * disk.bsize },
    uptime: uptime(),
    cgroups: existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'v2' : 'v1',
    container: inContainer() ?? null,
  };
}
