/** How far a transfer is, in bytes. */
interface Transfer {
  readonly bytes: number;
  /** Missing while it is not known. */
  readonly total?: number;
  readonly bytesPerSecond: number;
}

/** How far a long installation is. */
interface Progress {
  /** The step. */
  readonly label: string;
  /** The current activity; undefined when a step begins or ends. */
  readonly detail?: string;
  /** The step's number, from 1. */
  readonly step: number;
  readonly steps: number;
  /** Since the step began, in ms. */
  readonly elapsedMs: number;
  /** Set on the last report of this step. */
  readonly done?: boolean;
  /** Set while something is transferred. */
  readonly transfer?: Transfer;
}

export type OnProgress = (progress: Progress) => void;

/** Reports the current activity. */
export type Report = (detail: string) => void;

export type StepReport = Pick<Progress, 'detail' | 'done' | 'transfer'>;

/** Makes a function that reports on a part of the step with a line of its own; without a label, on the step itself. */
export type ReportFor = (label?: string) => (report: StepReport) => void;

export interface InstallStep {
  readonly label: string;
  readonly work: (report: Report, reportFor: ReportFor) => Promise<void>;
}

/** Runs one step after the other and reports the progress. */
export async function runSteps(
  steps: readonly InstallStep[],
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<void> {
  for (const [i, { label, work }] of steps.entries()) {
    signal.throwIfAborted();
    const reportFor = (part = label) => progressReporter(part, onProgress, i + 1, steps.length);
    const report = reportFor();
    report({});
    await work(
      (detail) => report({ detail }),
      (part) => (part === undefined ? report : reportFor(part)),
    );
    report({ done: true });
  }
}

/** Reports details of one step, with the time elapsed since this call. */
export function progressReporter(label: string, onProgress: OnProgress, step = 1, steps = 1) {
  const startedAt = performance.now();
  return (report: StepReport): void =>
    onProgress({ label, ...report, step, steps, elapsedMs: Math.round(performance.now() - startedAt) });
}
