import type { Probe } from '../../probes/probe.ts';
import type { Api } from './api.ts';

/** One thing that a cluster must be able to do, proven by doing it. */
export interface Check {
  /** Unique; also the name, or the start of the name, of every object it makes. */
  readonly name: string;
  /** What has been proven when it passes. */
  readonly summary: string;
  /** Checks that must have passed before, because it uses what they made or proved. */
  readonly needs: readonly string[];
  /** From its start to its end, in ms. */
  readonly deadlineMs: number;
  /** Runs after all others and always, also when the run was interrupted: it removes what they made. */
  readonly last?: true;
  /** Rejects with the reason when it fails, and with {@link NotApplicable} when there is nothing to check. */
  readonly run: (context: Context) => Promise<void>;
}

/** What a check works with. Everything it makes goes into `namespace`, which is removed in the end. */
export interface Context {
  readonly api: Api;
  /** The API as the holder of this token sees it. */
  readonly apiAs: (token: string) => Api;
  readonly namespace: string;
  /** The path of the namespace in the API, to which a resource's path is added. */
  readonly home: string;
  /** Has `sh`, `sleep`, `cat`, `httpd`, `nc` and `nslookup`. */
  readonly image: Image;
  /** Aborts when the run is interrupted. */
  readonly signal: AbortSignal;
  /** Runs a command in a pod of `namespace` and resolves with what it printed. */
  readonly exec: (pod: string, command: readonly string[], signal: AbortSignal) => Promise<string>;
  /**
   * Looks until the probe passes or the check's time is over; `step` says what for and begins the reason. A probe that
   * rejects with {@link PermanentFailure} ends it at once.
   */
  readonly until: (step: string, probe: Probe) => Promise<void>;
}

export interface Image {
  readonly name: string;
  readonly pull: 'Never' | 'IfNotPresent';
}

/** What a check is about is not there; the message says what. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable';
}

/** No waiting will mend it. */
export class PermanentFailure extends Error {
  override readonly name = 'Hopeless';
}

/** What came of a check. Times in ms. */
export type Result =
  | { readonly check: string; readonly is: 'passed'; readonly ms: number }
  | {
      readonly check: string;
      readonly is: 'failed';
      readonly ms: number;
      readonly reason: string;
      /** Events and last log lines that may explain it. */
      readonly evidence: readonly string[];
    }
  | { readonly check: string; readonly is: 'skipped'; readonly ms: 0; readonly reason: string };
