import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command, Component, Event, Program } from '../engine/component.ts';
import type { Config } from '../config/config.ts';
import { maskCommand, maskerOf } from '../config/yaml/secrets.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { failureText } from '../observe/terminal/failureText.ts';
import { failureReport, quotedLines } from '../observe/state/failure.ts';
import type { FailedStage, FailureReport } from '../observe/state/failure.ts';
import { styleFor } from '../observe/terminal/style.ts';
import { tail } from '../engine/supervise/tail.ts';
import { failureFile } from '../observe/records/failureFile.ts';

/** What is said of a failure. */
interface Explained {
  /** For a person; undefined when no component is to blame. */
  readonly text: string | undefined;
  /** The failure itself, which quotes what a component wrote. */
  readonly failure: Failure;
}

/** Writes `failure.json` when a component is to blame. The secrets of the config are masked there and in what it resolves with. */
export async function explainFailure(
  failure: Failure,
  { components, events }: { components: readonly Component[]; events: readonly Event[] },
  { data, logs, config }: { data: string; logs: string; config: Config },
): Promise<Explained> {
  const hide = await maskerOf(config);
  const { code, message, hint } = failure;
  const said = new Failure(code, hide(message), { ...(hint !== undefined && { hint }), cause: failure });
  const report = await gather(components, events, { logs, hide });
  return { failure: said, text: report && (await written(report, failureFile(data))) };
}

async function written(report: FailureReport, file: string): Promise<string> {
  // A full disk may well be why it failed: that must not hide the failure itself.
  const where = await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`, { mode: 0o600 }).then(
    () => `The same for programs: ${file}`,
    (error: unknown) => `Not written for programs: ${reasonOf(error)}`,
  );
  return `${failureText(report, styleFor(process.stderr, process.env))}\n\n${where}`;
}

async function gather(
  stages: readonly Component[],
  events: readonly Event[],
  { logs, hide }: { logs: string; hide: (text: string) => string },
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
    if (command !== undefined) commands.set(stage.name, maskCommand(command, hide));
    lines.set(stage.name, tail(join(logs, `${stage.name}.log`), quotedLines));
  }
  const report = failureReport({ stages, events, commands, lastLines: (name) => lines.get(name) ?? [] });
  return report && { ...report, stages: report.stages.map((stage) => shown(stage, hide)) };
}

function programOf(component: Component): Program | undefined {
  if (component.kind === 'service') return component;
  return typeof component.run === 'function' ? undefined : component.run;
}

function shown(stage: FailedStage, hide: (text: string) => string): FailedStage {
  const { reason, lastProbe, exit, lastLines } = stage;
  const orNull = (text: string | null): string | null => text && hide(text);
  return {
    ...stage,
    reason: orNull(reason),
    lastProbe: orNull(lastProbe),
    exit: orNull(exit),
    lastLines: lastLines.map(hide),
  };
}
