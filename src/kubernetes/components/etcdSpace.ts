import { etcd as healthy } from '../../../probes/kinds/etcd.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import { passes } from '../../../probes/probeOnce.ts';
import { httpClient } from '../../../probes/transport/httpClient.ts';
import type { HttpResponse } from '../../../probes/transport/httpClient.ts';
import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { until } from '../../../probes/until.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import { reasonOf } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/text/text.ts';
import { etcdGateway } from '../etcdGateway.ts';
import type { EtcdAccess, EtcdGateway } from '../etcdGateway.ts';
import type { NodeFacts } from '../facts.ts';
import { etcdAccess } from '../kubeconfig/clients.ts';

/** With less than this part of the quota free, the next writes may reach it. */
const reservePart = 0.05;

/** Time limit of one repair, in ms: defragmentation copies the whole database, by default at most 2 GB. */
const repairMs = 60_000;

/**
 * The shortest time between two defragmentations: in ms, and in units of the last one. It takes 0.1 s for 50 MB and half a minute
 * for 2 GB, in which etcd answers nobody.
 */
const defragmentAgain = { leastMs: 5000, times: 20 };

/** In ms. A probe takes etcd less than 1 ms. */
const liveTiming = { periodMs: 4000, failureThreshold: 1 };

/**
 * etcd's space quota. Once it is reached, etcd raises the alarm NOSPACE and refuses every write until the alarm is disarmed, also
 * after a restart. Not ready while that is so, or about to be; then frees what old revisions take and disarms the alarm:
 * https://etcd.io/docs/latest/op-guide/maintenance/#space-quota. etcd itself becomes ready only without the alarm, so it needs
 * etcd only to be started, and delays nothing.
 */
export function etcdSpace(facts: NodeFacts, needs: readonly Dependency[]): Task {
  return etcdSpaceTask(etcdAccess(facts), needs);
}

/** @internal exported for tests */
export function etcdSpaceTask(access: EtcdAccess, needs: readonly Dependency[]): Task {
  const space = new Space(access);
  return {
    kind: 'task',
    name: 'etcd-space',
    needs,
    // At the start as well as later: an alarm that cannot be disarmed is etcd's own failure, with its own time limit.
    timeoutMs: 2 * repairMs,
    run: async (signal, onAttemptFailed) => {
      // Later the engine tries again, less often.
      if (space.wasFree) return space.repair(signal);
      const timing = { timeoutMs: Number.POSITIVE_INFINITY, attemptTimeoutMs: repairMs };
      await until(async (attempt) => space.repair(attempt), { ...timing, onAttemptFailed }, signal);
    },
    live: async (signal) => space.assertFree(signal),
    liveTiming,
  };
}

interface Usage {
  readonly revision: string;
  readonly memberId: string;
  /** Size of the database, which counts against the quota, in bytes. */
  readonly size: number;
  /** In bytes; 0 if unknown or unlimited. */
  readonly quota: number;
  readonly hasAlarm: boolean;
}

class Space {
  readonly #healthy: Probe;
  readonly #isUp: Probe;
  readonly #post: EtcdGateway;
  readonly #metrics: (signal: AbortSignal) => Promise<HttpResponse>;
  #quota: number | undefined;
  #wasFree = false;
  /** Not before this time, by performance.now(). */
  #defragmentFrom = Number.NEGATIVE_INFINITY;

  constructor({ url, ...tls }: EtcdAccess) {
    this.#healthy = healthy(url, tls);
    this.#isUp = healthy(url, { ...tls, withoutSpace: true });
    this.#post = etcdGateway({ url, ...tls });
    this.#metrics = httpClient(`${url}/metrics`, { ...tls, maxBytes: 4 * 1024 * 1024 });
  }

  /** Whether etcd has accepted writes: from then on a database that is full of objects is a reason not to be ready. */
  get wasFree(): boolean {
    return this.#wasFree;
  }

  /** Passes while there is space, and when etcd does not answer, of which nothing follows. Otherwise the reason has the figures. */
  async assertFree(signal: AbortSignal): Promise<void> {
    let usage: Usage | undefined;
    const request: Probe = async (attempt) => void (usage = await this.#usage(attempt));
    if ((await passes(request, attemptMs, signal)) && usage !== undefined && isShort(usage))
      throw new Unhealthy(shortage(usage));
  }

  /** Resolves when etcd accepts writes. */
  async repair(signal: AbortSignal): Promise<void> {
    // Usually all is well: one request.
    if (!this.#wasFree && (await passes(this.#healthy, attemptMs, signal))) {
      this.#wasFree = true;
      return;
    }
    await this.#isUp(signal);
    const before = await this.#usage(signal);
    if (isShort(before)) await this.#free(before, signal);
    const after = await this.#usage(signal);
    if (after.hasAlarm) throw new Unhealthy(shortage(after));
    // A start goes on: only in a running node somebody can delete objects.
    if (this.#wasFree && isShort(after)) throw new Unhealthy(shortage(after));
    this.#wasFree = true;
  }

  async #free(before: Usage, signal: AbortSignal): Promise<void> {
    const compact = { revision: before.revision, physical: true };
    await this.#post('kv/compaction', compact, signal).catch((error: unknown) => {
      // Nothing was written since the last time.
      if (!reasonOf(error).includes('has been compacted')) throw error;
    });
    // etcd answers nobody while it defragments. How much there is to gain, it says only after its next write.
    const startedAt = performance.now();
    if (startedAt > this.#defragmentFrom) {
      await this.#post('maintenance/defragment', {}, signal);
      const now = performance.now();
      const { leastMs, times } = defragmentAgain;
      this.#defragmentFrom = now + Math.max(leastMs, times * (now - startedAt));
    }
    if (!before.hasAlarm) return;
    const alarm = { action: 'DEACTIVATE', memberID: before.memberId, alarm: 'NOSPACE' };
    await this.#post('maintenance/alarm', alarm, signal);
  }

  async #usage(signal: AbortSignal): Promise<Usage> {
    const status = await this.#post('maintenance/status', {}, signal);
    this.#quota ??= quotaIn((await this.#metrics(signal)).body);
    return {
      revision: textAt(status, 'header', 'revision'),
      memberId: textAt(status, 'header', 'member_id'),
      size: Number(at(status, 'dbSize') ?? 0),
      quota: this.#quota,
      hasAlarm: listAt(status, 'errors').some((error) => String(error).includes('NOSPACE')),
    };
  }
}

/** In ms; less than the time limit of a liveness probe, which is not to fail because etcd hangs. */
const attemptMs = 3000;

/** In bytes; 0 if it is not there or unlimited. */
function quotaIn(metrics: string): number {
  return Math.max(0, Number(/^etcd_server_quota_backend_bytes (\S+)$/m.exec(metrics)?.[1] ?? 0));
}

function isShort({ hasAlarm, size, quota }: Usage): boolean {
  return hasAlarm || (quota > 0 && size > quota * (1 - reservePart));
}

function shortage({ hasAlarm, size, quota }: Usage): string {
  const figures = `${formatBytes(size)}${quota > 0 ? ` of a quota of ${formatBytes(quota)}` : ''}`;
  const what = hasAlarm
    ? `etcd takes no more writes: its database has reached its quota (alarm NOSPACE; ${figures})`
    : `etcd's database is nearly full: ${figures}`;
  return `${what}. Delete objects, or raise it: components.etcd.args [--quota-backend-bytes=BYTES]`;
}
