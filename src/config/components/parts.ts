import { resolve } from 'node:path';
import type { ExecOptions } from '../../../probes/kinds/exec.ts';
import type {
  ProbeTiming,
  Dependency,
  Program,
  RestartPolicy,
  Service,
  StopPolicy,
} from '../../engine/component.ts';
import type { ComponentSpec } from '../schema/componentSpec.ts';
import { probeOf } from './probeOf.ts';

/** The parts of a component that the config gives; what it does not give is not there. */
export function commonParts(spec: ComponentSpec) {
  return given<{ needs: readonly Dependency[]; timeoutMs: number; restart: Partial<RestartPolicy> }>({
    needs: spec.needs,
    timeoutMs: spec.timeout,
    restart: spec.restart && restartOf(spec.restart),
  });
}

/** How a program is ended, and where its output goes. `dir` is the folder of the config. */
export function programParts({ stop, logFile }: ComponentSpec, dir: string) {
  return given<Pick<Program, 'stop' | 'logFile'>>({
    stop: stop && given<StopPolicy>({ signal: stop.signal, graceMs: stop.grace }),
    logFile: logFile === undefined ? logFile : resolve(dir, logFile),
  });
}

type PartName = 'ready' | 'readyTiming' | 'live' | 'liveTiming' | 'ports';

/** The same for a service. `dir` is the folder of the config. */
export function serviceParts(spec: ComponentSpec, dir: string) {
  const around = execOptions(spec, dir);
  return {
    ...commonParts(spec),
    ...programParts(spec, dir),
    ...given<Pick<Service, PartName>>({
      ready: spec.ready && probeOf(spec.ready, around),
      live: spec.live && probeOf(spec.live, around),
      ports: spec.ports,
      readyTiming: spec.ready && given<ProbeTiming>({ attemptTimeoutMs: spec.ready.timeout }),
      liveTiming:
        spec.live &&
        given<ProbeTiming>({
          periodMs: spec.live.period,
          failureThreshold: spec.live.failureThreshold,
          attemptTimeoutMs: spec.live.timeout,
        }),
    }),
  };
}

/** A probe's command runs where the component does. */
export function execOptions({ cwd, env }: ComponentSpec, dir: string): ExecOptions {
  return given<ExecOptions>({ cwd: cwd === undefined ? cwd : resolve(dir, cwd), env });
}

function restartOf({ delay, maxDelay, resetAfter, window, ...rest }: NonNullable<ComponentSpec['restart']>) {
  return given<RestartPolicy>({
    ...rest,
    delayMs: delay,
    maxDelayMs: maxDelay,
    resetAfterMs: resetAfter,
    windowMs: window,
  });
}

/** Without the keys that have no value, so that they replace nothing. */
function given<Values extends object>(values: {
  [Key in keyof Values]?: Values[Key] | undefined;
}): Partial<Values>;
function given(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
