import type { Probe } from '../../probes/probe.ts';
import type { Api } from './api.ts';
import type { PodStream } from './podExec.ts';

/** One feature of a cluster, proven by using it. */
export interface Check {
  /** Unique. Every object that the check makes has this name, or one that starts with it. */
  readonly name: string;
  /** What a pass proves. */
  readonly summary: string;
  /** Checks that must pass first, because this one uses what they made or proved. */
  readonly needs: readonly string[];
  /** Time limit of the whole check, in ms. */
  readonly deadlineMs: number;
  /** A clean-up: runs after all other checks, and also when the run was interrupted. */
  readonly last?: true;
  /**
   * Rejects with the reason of the failure, or with {@link NotApplicable} if the cluster lacks the feature.
   */
  readonly run: (context: Context) => Promise<void>;
}

/** What a check works with. It makes everything in `namespace`, which is removed at the end. */
export interface Context {
  readonly api: Api;
  /** The API with a token as the only credentials. */
  readonly apiAs: (token: string) => Api;
  readonly namespace: string;
  /** The path of the namespace in the core API: `/api/v1/namespaces/NAME`. */
  readonly namespacePath: string;
  /** Has `sh`, `sleep`, `cat`, `httpd`, `nc` and `nslookup`. */
  readonly image: Image;
  /** Aborts when the run is interrupted. */
  readonly signal: AbortSignal;
  /** Runs a command in a pod of `namespace` and resolves with its stdout. */
  readonly exec: (pod: string, command: readonly string[], signal: AbortSignal) => Promise<string>;
  /** Starts a command in a pod of `namespace` whose stdin and stdout are the stream. The pod's end ends it. */
  readonly stream: (pod: string, command: readonly string[], signal: AbortSignal) => PodStream;
  /**
   * Waits until the probe passes, at most until the check's deadline. The reason of a failure starts with
   * `step`, which names what is waited for. Fails at once when the probe rejects with {@link
   * PermanentFailure}.
   */
  readonly until: (step: string, probe: Probe) => Promise<void>;
}

export interface Image {
  readonly name: string;
  readonly pull: 'Never' | 'IfNotPresent';
}

/** The cluster lacks the feature that a check is about. The message names it. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable';
}

/** Waiting longer will not help. */
export class PermanentFailure extends Error {
  override readonly name = 'PermanentFailure';
}

/** The result of a check. Times in ms. */
export type Result =
  | { readonly check: string; readonly outcome: 'passed'; readonly ms: number }
  | {
      readonly check: string;
      readonly outcome: 'failed';
      readonly ms: number;
      readonly reason: string;
      /** Events and log lines that may explain the failure. */
      readonly evidence: readonly string[];
    }
  | { readonly check: string; readonly outcome: 'skipped'; readonly ms: 0; readonly reason: string };
