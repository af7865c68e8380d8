import { resolve } from 'node:path';
import type { ExecOptions } from '../../../probes/kinds/exec.ts';
import { until } from '../../../probes/until.ts';
import type {
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
    command: commandFactory(spec, dir),
    ready: async () => undefined,
    // Before a start, the engine refuses if `ready` already passes, unless there are `ports` to check. This probe always does.
    ...(spec.ready === undefined && { ports: [] }),
    ...serviceParts(spec, dir),
  };
}

/** The built-in `component` with the given keys replaced; `args` and `env` are added to its own. */
export function overrideComponent(component: Component, spec: ComponentSpec, dir: string): Component {
  if (component.kind === 'task') return { ...component, ...commonParts(spec) };
  const parts = serviceParts(spec, dir);
  return {
    ...component,
    ...parts,
    command: commandFactory(spec, dir, component.command),
    restart: { ...component.restart, ...parts.restart },
    stop: { ...component.stop, ...parts.stop },
  };
}

/** A task runs its command or waits for its probe, without a time limit: the engine sets one. */
function taskRun(spec: ComponentSpec, dir: string): Task['run'] {
  if (spec.ready === undefined) return { command: commandFactory(spec, dir), ...programParts(spec, dir) };
  const probe = buildProbe(spec.ready, execOptions(spec, dir));
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

function serviceParts(spec: ComponentSpec, dir: string) {
  const options = execOptions(spec, dir);
  return {
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

/** A probe's command has the environment and working directory of its component. */
function execOptions({ workingDir, env }: ComponentSpec, dir: string): ExecOptions {
  return definedOnly<ExecOptions>({
    cwd: workingDir === undefined ? workingDir : resolve(dir, workingDir),
    env,
  });
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
