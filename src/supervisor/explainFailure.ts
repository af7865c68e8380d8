import { join } from 'node:path';
import type { Command, Component, Event, Program } from '../engine/component.ts';
import type { Config } from '../config/config.ts';
import { maskCommand, maskerOf } from '../config/secrets.ts';
import { writeFileAtomically } from '../lib/atomicFile.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { failureReport, failureText, quotedLines } from '../observe/state/failure.ts';
import type { FailedStage, FailureReport } from '../observe/state/failure.ts';
import { styleFor } from '../observe/terminal/style.ts';
import { tail } from '../engine/supervise/logFile.ts';
import { failureFile } from '../observe/records/artifacts.ts';

/** A failure with the report that explains it. */
interface Explained {
  /** For people. `undefined` when no component is to blame. */
  readonly text: string | undefined;
  /** The failure, with the secrets in its quotes masked. */
  readonly failure: Failure;
}

/** Writes `failure.json` when a component is to blame. Masks the secrets of the config there and in the result. */
export async function explainFailure(
  failure: Failure,
  { components, events }: { components: readonly Component[]; events: readonly Event[] },
  { data, logs, config }: { data: string; logs: string; config: Config },
): Promise<Explained> {
  const mask = await maskerOf(config);
  const { code, message, hint } = failure;
  const masked = new Failure(code, mask(message), { ...(hint !== undefined && { hint }), cause: failure });
  const report = await gather(components, events, { logs, mask });
  return { failure: masked, text: report && (await writeReport(report, failureFile(data))) };
}

async function writeReport(report: FailureReport, file: string): Promise<string> {
  // A full disk may be the cause of the failure: do not let it hide the failure itself.
  const where = await writeFileAtomically(file, `${JSON.stringify(report, undefined, 2)}\n`, {
    mode: 0o600,
  }).then(
    () => `The same for programs: ${file}`,
    (error: unknown) => `Not written for programs: ${reasonOf(error)}`,
  );
  return `${failureText(report, styleFor(process.stderr, process.env))}\n\n${where}`;
}

async function gather(
  stages: readonly Component[],
  events: readonly Event[],
  { logs, mask }: { logs: string; mask: (text: string) => string },
): Promise<FailureReport | undefined> {
  const commands = new Map<string, Command>();
  const lines = new Map<string, readonly string[]>();
  for (const stage of stages) {
    const program = programOf(stage);
    if (
      program === undefined ||
      !events.some(({ component, type }) => component === stage.name && type === 'starting')
    ) {
      continue;
    }
    const command =
      typeof program.command === 'function'
        ? await program.command().catch(() => undefined)
        : program.command;
    if (command !== undefined) commands.set(stage.name, maskCommand(command, mask));
    lines.set(stage.name, tail(join(logs, `${stage.name}.log`), quotedLines));
  }
  const report = failureReport({ stages, events, commands, lastLines: (name) => lines.get(name) ?? [] });
  return report && { ...report, stages: report.stages.map((stage) => maskStage(stage, mask)) };
}

function programOf(component: Component): Program | undefined {
  if (component.kind === 'service') return component;
  return typeof component.run === 'function' ? undefined : component.run;
}

function maskStage(stage: FailedStage, mask: (text: string) => string): FailedStage {
  const { reason, lastProbe, exit, lastLines } = stage;
  const orNull = (text: string | null): string | null => text && mask(text);
  return {
    ...stage,
    reason: orNull(reason),
    lastProbe: orNull(lastProbe),
    exit: orNull(exit),
    lastLines: lastLines.map(mask),
  };
}
