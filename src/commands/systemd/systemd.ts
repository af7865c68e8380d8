import { existsSync, lstatSync, readlinkSync, rmSync, statSync } from 'node:fs';
import type { NodeConfig } from '../../config/schema/node.ts';
import { assertRoot } from '../../host/root.ts';
import { run } from '../../host/tool.ts';
import { NodeInstance } from '../../instance/nodeInstance.ts';
import { forceCleanUp } from '../../instance/cleanUp.ts';
import { lockFile } from '../../instance/lock.ts';
import { isOrphaned } from '../../instance/runningComponents.ts';
import {
  hasSystemd,
  isStartedAgain,
  readUnit,
  readUnitFile,
  unitDataDir,
  unitMark,
} from '../../instance/unit.ts';
import type { UnitState } from '../../instance/unit.ts';
import { tokenFile } from '../../kubernetes/join/membership.ts';
import { removeTemporariesOf, writeFileAtomically } from '../../lib/atomicFile.ts';
import { nodeCommand } from '../../lib/commandLine.ts';
import { exitCodes, Failure, reasonOf } from '../../lib/errors.ts';
import { nodePaths, programFile, unitOf } from '../../lib/paths.ts';
import { loadNodeConfig } from '../../supervisor/options.ts';
import type { UpOptions } from '../../supervisor/options.ts';
import { checkJoin } from '../../supervisor/worker.ts';
import { takeDown } from '../down.ts';
import { assertPlace, runsInSandbox } from '../up.ts';
import { unitText } from './unitText.ts';

interface InstallOptions extends UpOptions {
  /** False: enable it, and do not start it. */
  readonly start: boolean;
}

interface UnitOptions {
  readonly name: string;
}

const changesUnits = 'it changes the units of the system';

/** `k8s-single systemd print`: prints the unit that `install` would write. */
export async function printUnit(options: UpOptions): Promise<number> {
  const { text } = await planUnit(options);
  if (options.token !== undefined && options.join !== undefined && !runsInSandbox(options))
    console.error(
      'the token is left out, as every user can read a unit: install keeps it with the data of the node, until it has joined',
    );
  process.stdout.write(text);
  return 0;
}

/** `k8s-single systemd install`: writes the unit of a node, enables it and starts it. Resolves when the node is ready. */
export async function installUnit(options: InstallOptions): Promise<number> {
  assertRoot(changesUnits);
  assertSystemd('print the unit: k8s-single systemd print; run the node without one: k8s-single up --detach');
  const { node, text } = await planUnit(options);
  const { name } = node;
  const before = await assertOurs(name);
  const { name: unit, file } = before;
  const isChanged = readUnitFile(name) !== text;
  if (options.start && !before.isActive) await assertNotRunning(name);
  const joins = node.kubernetes !== false && !runsInSandbox(options);
  const keepToken = joins ? await checkJoin(options, node) : undefined;
  await writeUnit(file, text);
  keepToken?.();
  await run(['systemctl', 'daemon-reload'], ['systemctl', 'enable', '--quiet', unit]);
  console.error(`${unit} is installed: ${file}`);
  if (before.isActive) {
    if (isChanged) console.error(`it runs with what it had before: systemctl restart ${unit}`);
    return 0;
  }
  if (!options.start) {
    console.error(`it starts when the machine boots, or now: systemctl start ${unit}`);
    return 0;
  }
  console.error(`starting node ${name}; see how: journalctl --follow --unit ${unit}`);
  await forgetFailures(unit);
  await run(['systemctl', 'start', unit]).catch(async (cause: unknown) => {
    const { status } = await readUnit(name);
    throw new Failure('notReady', `${unit} has not started: ${status || reasonOf(cause)}`, {
      hint: `see why: journalctl --unit ${unit}; the unit stays: ${nodeCommand('systemd uninstall', { name })}`,
      cause,
    });
  });
  console.error(`node ${name} is ready`);
  return 0;
}

/** `k8s-single systemd uninstall`: stops the node, as `down` does, and removes its unit. The data stays. */
export async function uninstallUnit({ name }: UnitOptions): Promise<number> {
  assertRoot(changesUnits);
  assertSystemd(`without systemd, only the file is there: rm ${unitOf(name).file}`);
  const { name: unit, file, isActive } = await assertOurs(name);
  if (!existsSync(file)) {
    console.error(`there is no unit ${unit}`);
    return 0;
  }
  const { data } = nodePaths(name, unitDataDir(name));
  if (isActive) await takeDown({ name }, { name: unit });
  await run(['systemctl', 'disable', '--quiet', unit]);
  rmSync(tokenFile({ data }), { force: true });
  rmSync(file, { force: true });
  await run(['systemctl', 'daemon-reload']);
  await forgetFailures(unit);
  console.error(`${unit} is removed; the data of node ${name} stays in ${data}`);
  console.error(`remove its data: ${nodeCommand('down', { name, dataDir: data }, '--purge')}`);
  if (existsSync(`${file}.d`)) console.error(`your own settings of the unit stay in ${file}.d`);
  return 0;
}

/**
 * `k8s-single __unit-cleanup`: ExecStopPost of the unit. After a main process that was killed, stops what still runs of the
 * node, in order without a sandbox, and removes what is left; but leaves components that the next start takes over. Kills a
 * supervisor that hangs in its sandbox. A main process that has exited has left nothing, or could not start because somebody
 * else runs the node.
 */
export async function cleanUpAfterUnit(
  options: UnitOptions & { readonly dataDir?: string },
): Promise<number> {
  const { EXIT_CODE: code, EXIT_STATUS: status = '', SERVICE_RESULT: result } = process.env;
  const { name, dataDir } = options;
  const { run: folder, data } = nodePaths(name, dataDir);
  const hasExited = code === 'exited' || ['TERM', 'INT', 'HUP'].includes(status);
  // It may have failed before it had taken over what an earlier one has left.
  if (code === undefined || (hasExited && !(await isOrphaned(name)))) return 0;
  const ended = hasExited ? `ended with ${status}` : `was killed by SIG${status}`;
  const killed = `the main process of node ${name} ${ended}`;
  {
    using instance = new NodeInstance(folder);
    const hasEnded = await instance.hasEnded();
    // Without a sandbox, the main process was the supervisor. In one, it may be the supervisor that hangs.
    const canGoOn = instance.isOursToCleanUp && (await isOrphaned(name));
    // Somebody else runs the node.
    if (hasExited && !canGoOn) return 0;
    const isFinal = [exitCodes.ok, exitCodes.usage, exitCodes.preflight].map(String).includes(status);
    if (canGoOn && !isFinal && (await isStartedAgain(name))) {
      console.error(`${killed}: the next start takes over what runs`);
      return 0;
    }
    console.error(`${killed}: stopping what is left`);
    if (!hasEnded && result === 'watchdog') await forceCleanUp({ name, run: folder, data });
  }
  // A worker that is started again stays a node of its cluster.
  return takeDown({ ...options, leave: false });
}

/** Otherwise a unit that has failed often does not start, or is still listed. One that systemd has not loaded has not failed. */
async function forgetFailures(unit: string): Promise<void> {
  await run(['systemctl', 'reset-failed', unit]).catch(() => undefined);
}

async function planUnit(options: UpOptions): Promise<{ node: NodeConfig; text: string }> {
  assertPlace(options, runsInSandbox(options));
  if (options.config !== undefined) assertFile(options.config);
  const { node } = await loadNodeConfig(options);
  const { text, secret } = unitText(options, node, process.env);
  const { name: unit } = unitOf(node.name);
  for (const variable of secret)
    console.error(
      `${variable} is left out, as it has a password and every user can read a unit: systemctl edit ${unit}`,
    );
  if (programFile('main').includes('/_npx/'))
    console.error('this program is in the cache of npx, which is cleaned: npm install --global k8s-single');
  return { node, text };
}

/** systemd reads it at every start: a pipe has nothing then. */
function assertFile(config: string): void {
  if (statSync(config, { throwIfNoEntry: false })?.isFile() !== false) return;
  throw new Failure('usage', `the config ${config} is not a file: systemd cannot read it again`, {
    hint: 'write it to a file, such as /etc/k8s-single.yaml',
  });
}

function assertSystemd(hint: string): void {
  if (hasSystemd()) return;
  throw new Failure('preflight', 'this machine is not run by systemd: there is no /run/systemd/system', {
    hint,
  });
}

/** The state of the node's unit. @throws Failure `preflight` if there is one that this program has not made */
async function assertOurs(node: string): Promise<UnitState> {
  const { file } = unitOf(node);
  const link = lstatSync(file, { throwIfNoEntry: false });
  if (link?.isSymbolicLink() === true) {
    const target = readlinkSync(file);
    const { name } = unitOf(node);
    throw new Failure('preflight', `${file} is a link to ${target}`, {
      hint: target === '/dev/null' ? `systemctl unmask ${name}` : `rm ${file}; or choose another --name`,
    });
  }
  const state = await readUnit(node);
  const text = readUnitFile(node);
  const other = text === undefined ? state.file : text.startsWith(unitMark) ? '' : file;
  if (other === '' || (text === undefined && other === file)) return { ...state, file };
  throw new Failure('preflight', `there is a unit ${state.name} that k8s-single has not made: ${other}`, {
    hint: `look at it: systemctl cat ${state.name}; then remove it, or choose another --name`,
  });
}

/** @throws Failure `preflight` when the node runs without its unit */
async function assertNotRunning(name: string): Promise<void> {
  const { run: folder } = nodePaths(name);
  if (!existsSync(lockFile(folder))) return;
  using instance = new NodeInstance(folder);
  if (await instance.hasEnded()) return;
  throw new Failure('preflight', `node ${name} runs already, without its unit`, {
    hint: `first ${nodeCommand('down', { name })}; or --no-start: it starts when the machine boots`,
  });
}

/**
 * Writes a unit in one step. @throws Failure `preflight`
 * @internal exported for tests
 */
export async function writeUnit(file: string, text: string): Promise<void> {
  removeTemporariesOf(file);
  await writeFileAtomically(file, text, { mode: 0o644 }).catch((cause: unknown) => {
    throw new Failure('preflight', `the unit ${file} cannot be written: ${reasonOf(cause)}`, {
      hint: 'write what k8s-single systemd print prints to where this machine has its units',
      cause,
    });
  });
}
