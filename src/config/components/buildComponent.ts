import { resolve } from 'node:path';
import type { ExecOptions } from '../../../probes/kinds/exec.ts';
import { until } from '../../../probes/until.ts';
import type {
  Command,
  Component,
  Dependency,
  ProbeTiming,
  Program,
  RestartPolicy,
  Service,
  StopPolicy,
  Task,
} from '../../engine/component.ts';
import type { ComponentSpec } from '../schema/componentSpec.ts';
import { buildProbe } from './buildProbe.ts';
import { commandFactory } from './command.ts';

/** A component of the user, from a config in `dir`. */
export function buildComponent(name: string, spec: ComponentSpec, dir: string): Component {
  if (spec.task === true)
    return { kind: 'task', name, needs: [], run: taskRun(spec, dir), ...commonParts(spec) };
  return {
    kind: 'service',
    name,
    needs: [],
    ready: async () => undefined,
    // Before a start, the engine refuses if `ready` already passes, unless there are `ports` to check. This probe always does.
    ...(spec.ready === undefined && { ports: [] }),
    ...serviceParts(spec, dir),
  };
}

/** The built-in `component` with the given keys replaced; `args` and `env` are added to its own. */
export function overrideComponent(component: Component, spec: ComponentSpec, dir: string): Component {
  if (component.kind === 'task') return { ...component, ...commonParts(spec) };
  const parts = serviceParts(spec, dir, component.command);
  return {
    ...component,
    ...parts,
    restart: { ...component.restart, ...parts.restart },
    stop: { ...component.stop, ...parts.stop },
  };
}

/** A task runs its command or waits for its probe, without a time limit: the engine sets one. */
function taskRun(spec: ComponentSpec, dir: string): Task['run'] {
  if (spec.ready === undefined) return { command: commandFactory(spec, dir), ...programParts(spec, dir) };
  const probe = buildProbe(spec.ready, processOf(spec, dir).execOptions);
  return async (signal, report) =>
    until(probe, { timeoutMs: Number.POSITIVE_INFINITY, onAttemptFailed: report }, signal);
}

function commonParts(spec: ComponentSpec) {
  return definedOnly<{ needs: readonly Dependency[]; timeoutMs: number; restart: Partial<RestartPolicy> }>({
    needs: spec.needs,
    timeoutMs: spec.timeout,
    restart: spec.restart && restartPolicy(spec.restart),
  });
}

function programParts({ stop, logFile }: ComponentSpec, dir: string) {
  return definedOnly<Pick<Program, 'stop' | 'logFile'>>({
    stop: stop && definedOnly<StopPolicy>({ signal: stop.signal, graceMs: stop.grace }),
    logFile: logFile === undefined ? logFile : resolve(dir, logFile),
  });
}

type PartName = 'ready' | 'readyTiming' | 'live' | 'liveTiming' | 'ports';

function serviceParts(spec: ComponentSpec, dir: string, base?: Service['command']) {
  const { command, execOptions: options } = processOf(spec, dir, base);
  return {
    command,
    ...commonParts(spec),
    ...programParts(spec, dir),
    ...definedOnly<Pick<Service, PartName>>({
      ready: spec.ready && buildProbe(spec.ready, options),
      live: spec.live && buildProbe(spec.live, options),
      ports: spec.ports,
      readyTiming: spec.ready && definedOnly<ProbeTiming>({ attemptTimeoutMs: spec.ready.timeout }),
      liveTiming:
        spec.live &&
        definedOnly<ProbeTiming>({
          periodMs: spec.live.period,
          failureThreshold: spec.live.failureThreshold,
          attemptTimeoutMs: spec.live.timeout,
        }),
    }),
  };
}

/**
 * The command of a component, and how the commands of its probes run: with the environment, working directory and user of
 * its last start. Before the first one, those of the next start.
 */
function processOf(spec: ComponentSpec, dir: string, base?: Service['command']) {
  const make = commandFactory(spec, dir, base);
  let last: Command | undefined;
  const command = async (): Promise<Command> => (last = await make());
  const execOptions = async (): Promise<ExecOptions> => {
    const { cwd, env, uid, gid } = last ?? (await make());
    return definedOnly<ExecOptions>({ cwd, env, uid, gid });
  };
  return { command, execOptions };
}

function restartPolicy({
  delay,
  maxDelay,
  resetAfter,
  window,
  ...rest
}: NonNullable<ComponentSpec['restart']>) {
  return definedOnly<RestartPolicy>({
    ...rest,
    delayMs: delay,
    maxDelayMs: maxDelay,
    resetAfterMs: resetAfter,
    windowMs: window,
  });
}

/** The object without undefined values, which would override others in a spread. */
function definedOnly<Values extends object>(values: {
  [Key in keyof Values]?: Values[Key] | undefined;
}): Partial<Values>;
function definedOnly(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
