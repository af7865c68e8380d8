import { readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { stringify } from 'yaml';
import type { Event } from '../../engine/component.ts';
import { client } from '../../control/client.ts';
import { reasonOf } from '../../lib/errors.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import type { Paths } from '../../lib/paths.ts';
import { logNames, readLogs } from '../../observe/logs/logs.ts';
import { replay } from '../../observe/state/state.ts';
import { statusOf } from '../../observe/state/status.ts';
import type { NodeStatus } from '../../observe/state/status.ts';
import type { BootRecord } from '../../observe/records/bootRecord.ts';
import { failureFile } from '../../observe/records/failureFile.ts';
import { hostFacts } from './hostFacts.ts';
import { ifRunning } from '../../instance/locateNode.ts';

/** So many of the last lines of each log. */
const linesOfLog = 10_000;
/** So long Kubernetes is asked, in ms: it may be what is wrong. */
const kubectlMs = 10_000;

/** One file of a report, before anything is taken out of it. */
export interface Part {
  readonly path: string;
  readonly lines: AsyncIterable<string> | Iterable<string>;
}

/** All that is known of a node, running or not. What cannot be had says why in its place. */
export async function* reportParts(
  name: string,
  paths: Paths,
  record: BootRecord,
): AsyncGenerator<Part, void> {
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

/** As it was when the last event came. */
function lastStatus(name: string, stages: BootRecord['stages'], events: readonly Event[]): NodeStatus {
  const names = stages.map((stage) => stage.name);
  return statusOf(name, replay(names, events), new Map(), events.at(-1)?.at ?? 0);
}

async function* lastLines(folder: string, component: string): AsyncGenerator<string, void> {
  const options = { components: [component], follow: false, tail: linesOfLog, since: undefined };
  for await (const line of readLogs(folder, options, new AbortController().signal)) yield line.text;
}

async function* kubernetes(name: string): AsyncGenerator<Part, void> {
  const { kubectl, kubeconfig } = await readNodeFile(name);
  if (kubectl === undefined || kubeconfig === undefined) return;
  const args = ['get', 'nodes,pods,services,events', '--all-namespaces', '--output', 'wide'];
  const asked = await execa(kubectl, args, {
    env: { KUBECONFIG: kubeconfig },
    timeout: kubectlMs,
    reject: false,
    all: true,
  });
  yield text('kubernetes.txt', asked.failed ? `${asked.all}\n${reasonOf(asked)}` : asked.all);
}

function json(path: string, value: object): Part {
  return text(path, JSON.stringify(value, undefined, 2));
}

function text(path: string, content: string): Part {
  return { path, lines: content.trimEnd().split('\n') };
}
