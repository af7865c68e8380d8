import { existsSync, readFileSync } from 'node:fs';
import { run } from '../host/tool.ts';
import { Failure } from '../lib/errors.ts';
import { unitOf } from '../lib/paths.ts';
import { hasErrorCode } from '../lib/systemError.ts';

/** Whether systemd is the init of this machine (sd_booted(3)). */
export function hasSystemd(): boolean {
  return existsSync('/run/systemd/system');
}

/** What systemd knows of a unit. */
export interface UnitState {
  readonly name: string;
  /** Whether it runs, starts or stops, or waits for its next start. */
  readonly isActive: boolean;
  /** Whether it starts when the machine boots. */
  readonly isEnabled: boolean;
  /** Where systemd has read it from; empty if there is no such unit. */
  readonly file: string;
  /** The last STATUS of its process; may be empty. */
  readonly status: string;
}

/**
 * The state of the node's unit, whoever has made it.
 * @throws Failure `preflight` with systemctl's error
 */
export async function readUnit(node: string): Promise<UnitState> {
  const { name } = unitOf(node);
  const properties = ['ActiveState', 'UnitFileState', 'FragmentPath', 'StatusText'] as const;
  const shown = await show(name, properties);
  return {
    name,
    isActive: !['inactive', 'failed', ''].includes(shown.ActiveState),
    isEnabled: shown.UnitFileState === 'enabled',
    file: shown.FragmentPath,
    status: shown.StatusText,
  };
}

/** Properties of a unit; empty if it does not have one. @throws Failure `preflight` with systemctl's error */
async function show<Property extends string>(
  unit: string,
  properties: readonly Property[],
): Promise<Record<Property, string>> {
  const text = await run(['systemctl', 'show', `--property=${properties.join(',')}`, unit]);
  const valueOf = (property: string): string => new RegExp(`^${property}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each property has an entry
  return Object.fromEntries(properties.map((each) => [each, valueOf(each)])) as Record<Property, string>;
}

/**
 * Whether systemd starts the node's unit again, of which the main process has failed: not during a stop or a restart by request, nor
 * against the user's settings. After as many restarts as it allows in ten minutes, nobody can tell: false.
 */
export async function isStartedAgain(node: string): Promise<boolean> {
  const properties = ['Restart', 'Job', 'NRestarts', 'StartLimitBurst'] as const;
  const shown = await show(unitOf(node).name, properties);
  const [job, restarts, burst] = [shown.Job, shown.NRestarts, shown.StartLimitBurst].map((text) =>
    Number.parseInt(text, 10),
  );
  // Without a job it is 0, or nothing.
  const isByRequest = job! > 0;
  return shown.Restart !== 'no' && !isByRequest && restarts! < burst! - 1;
}

/** The node's unit if it is active, also between two starts. Usually there is no such file, and no process is started. */
export async function activeUnit(node: string): Promise<UnitState | undefined> {
  if (!existsSync(unitOf(node).file) || !hasSystemd()) return undefined;
  const unit = await readUnit(node);
  return unit.isActive ? unit : undefined;
}

/** How a unit begins that `systemd install` has made. The data folder follows, as JSON. */
export const unitMark = '# k8s-single: data in ';

/** The data folder of the node, as its unit has it. `undefined` without a unit of ours. */
export function unitDataDir(node: string): string | undefined {
  const [line = ''] = readUnitFile(node)?.split('\n') ?? [];
  const [, json] = line.split(unitMark);
  if (json === undefined) return undefined;
  const data: string = JSON.parse(json);
  return data;
}

/** The node's unit file in /etc/systemd/system, `undefined` without one. */
export function readUnitFile(node: string): string | undefined {
  try {
    return readFileSync(unitOf(node).file, 'utf8');
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error;
    return undefined;
  }
}

/** Whether this process belongs to the unit of the node. */
export function isInUnit(node: string): boolean {
  const { name } = unitOf(node);
  return readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .some((line) => line.split('/').includes(name));
}

/** @throws Failure `preflight` when systemd runs the node, unless this process belongs to its unit */
export async function assertNotRunByUnit(node: string): Promise<void> {
  const unit = isInUnit(node) ? undefined : await activeUnit(node);
  if (unit === undefined) return;
  throw new Failure('preflight', `node ${node} is run by the systemd unit ${unit.name}`, {
    hint: `see it: systemctl status ${unit.name}; stop it: systemctl stop ${unit.name}`,
  });
}
