/** How far a long installation is. */
export interface Progress {
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
}

export type OnProgress = (progress: Progress) => void;

/** Reports the current activity. */
export type Report = (detail: string) => void;

export interface InstallStep {
  readonly label: string;
  readonly work: (report: Report) => Promise<void>;
}

/** Runs one step after the other and reports the progress. */
export async function runSteps(
  steps: readonly InstallStep[],
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<void> {
  for (const [i, { label, work }] of steps.entries()) {
    signal.throwIfAborted();
    const report = progressReporter(label, onProgress, i + 1, steps.length);
    report({});
    await work((detail) => report({ detail }));
    report({ done: true });
  }
}

/** Reports details of one step, with the time elapsed since this call. */
export function progressReporter(label: string, onProgress: OnProgress, step = 1, steps = 1) {
  const startedAt = performance.now();
  return (report: Pick<Progress, 'detail' | 'done'>): void =>
    onProgress({ label, ...report, step, steps, elapsedMs: Math.round(performance.now() - startedAt) });
}
