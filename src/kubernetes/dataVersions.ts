import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson, textAt } from '../../probes/transport/json.ts';
import { writeFileAtomicallySync } from '../lib/atomicFile.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';

/** The versions of a node's binaries, by name. */
type Versions = Readonly<Record<string, string>>;

/** Whose versions decide whether data can be used. */
const owners = { 'kube-apiserver': 'Kubernetes', etcd: 'etcd' } as const;

function versionsFile(data: string): string {
  return join(data, 'versions.json');
}

/** Records the versions that run on this data folder from now on: `versions.json`. Call it before any of them starts. */
export function recordDataVersions(data: string, versions: Versions): void {
  const own = Object.fromEntries(Object.keys(owners).map((name) => [name, versions[name]]));
  const text = `${JSON.stringify(own)}\n`;
  if (readText(versionsFile(data)) !== text)
    writeFileAtomicallySync(versionsFile(data), text, { mode: 0o600 });
}

/**
 * Refuses data that a newer minor version of Kubernetes or etcd has used, or one of Kubernetes that is older by more than
 * one minor version: https://kubernetes.io/releases/version-skew-policy/. Data without a record is taken as it is, and so
 * is data without a cluster.
 * @throws Failure `preflight` with the steps
 */
export function assertDataFits(
  node: { readonly name: string; readonly dataDir?: string },
  versions: Versions,
): void {
  const { data, etcd } = nodePaths(node.name, node.dataDir);
  if (!existsSync(join(etcd, 'member'))) return;
  const record = parseJson(readText(versionsFile(data)) ?? '');
  for (const [name, owner] of Object.entries(owners)) {
    const [last, next] = [textAt(record, name), versions[name] ?? ''];
    const flaw = flawOf(last, next, owner);
    if (flaw === undefined) continue;
    const again = `start it with ${flaw.steps}: --bin-dir, or kubernetes: in a config`;
    const anew = `start anew: ${nodeCommand('down', node, '--purge')}`;
    throw new Failure(
      'preflight',
      `the data in ${data} is of ${owner} ${last}, and this is ${next}: ${flaw.reason}`,
      {
        hint: `${again}; or ${anew}`,
      },
    );
  }
}

function flawOf(last: string, next: string, owner: string): { reason: string; steps: string } | undefined {
  const [from, to] = [minorOf(last), minorOf(next)];
  if (from === undefined || to === undefined) return undefined;
  const minor = `${owner} ${from.major}.${from.minor}`;
  if (to.major < from.major || (to.major === from.major && to.minor < from.minor))
    return { reason: 'an older version cannot read it', steps: `${minor} or newer` };
  // etcd has rules of its own for newer versions, and checks them itself.
  if (owner !== 'Kubernetes' || to.minor <= from.minor + 1) return undefined;
  return {
    reason: 'an upgrade must not skip a minor version',
    steps: `${owner} ${from.major}.${from.minor + 1} first, then with each later minor version`,
  };
}

/** Undefined unless the text begins like a version. */
function minorOf(version: string): { readonly major: number; readonly minor: number } | undefined {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Missing, or not to be read: no record.
    return undefined;
  }
}
