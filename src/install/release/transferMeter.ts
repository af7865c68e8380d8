import { formatBytes, formatMs } from '../../lib/text/text.ts';
import type { ReportFor, StepReport } from '../steps.ts';
import type { Asset } from './assets.ts';
import { kubernetesHost } from './kubernetes.ts';

/** Between two reports of one file, in ms. */
const reportMs = 200;
/** The time over which the speed is averaged, in ms. */
const averageMs = 3000;

/** Bytes over time: the average of about the last three seconds. */
class Speed {
  #at = performance.now();
  #bytes = 0;
  #perSecond: number | undefined;

  /** `bytes` more since the last call. */
  add(bytes: number, now: number): void {
    this.#bytes += bytes;
    const elapsed = now - this.#at;
    if (elapsed < reportMs) return;
    const current = (this.#bytes * 1000) / elapsed;
    const weight = this.#perSecond === undefined ? 1 : Math.min(1, elapsed / averageMs);
    this.#perSecond = (this.#perSecond ?? 0) * (1 - weight) + current * weight;
    [this.#at, this.#bytes] = [now, 0];
  }

  get perSecond(): number {
    return this.#perSecond ?? 0;
  }
}

interface FileProgress {
  readonly report: (report: StepReport) => void;
  readonly speed: Speed;
  received: number;
  total: number | undefined;
  reportedAt: number;
}

/** Reports how far each file is, and all of them together. */
export class TransferMeter {
  readonly #files = new Map<Asset, FileProgress>();
  readonly #reportFor: ReportFor;
  readonly #count: number;
  readonly #speed = new Speed();
  #done = 0;
  #reportedAt = 0;

  constructor(assets: readonly Asset[], reportFor: ReportFor) {
    this.#reportFor = reportFor;
    this.#count = assets.length;
  }

  update(asset: Asset, received: number, total: number | undefined): void {
    const file = this.#file(asset);
    const now = performance.now();
    // Less than before when a file starts again.
    const more = Math.max(0, received - file.received);
    file.speed.add(more, now);
    this.#speed.add(more, now);
    file.received = received;
    file.total = total;
    if (now - file.reportedAt >= reportMs) {
      file.reportedAt = now;
      file.report(transferReport(received, total, file.speed.perSecond));
    }
    if (now - this.#reportedAt >= reportMs) {
      this.#reportedAt = now;
      this.#reportAll();
    }
  }

  /** A file goes on after a failed attempt. */
  retry(asset: Asset, reason: string): void {
    this.#file(asset).report({ detail: `again: ${reason}` });
  }

  done(asset: Asset): void {
    this.#done += 1;
    const file = this.#file(asset);
    file.total ??= file.received;
    file.report({ done: true });
    this.#reportAll();
  }

  #file(asset: Asset): FileProgress {
    const known = this.#files.get(asset);
    if (known !== undefined) return known;
    // Short, since a terminal has to have room for the bar: the version of Kubernetes is in the name of the step.
    const label = asset.host === kubernetesHost ? asset.name : `${asset.name} ${asset.version}`;
    const report = this.#reportFor(label);
    const file = { report, speed: new Speed(), received: 0, total: undefined, reportedAt: 0 };
    this.#files.set(asset, file);
    report({});
    return file;
  }

  /** The total is known when every file has begun. */
  #reportAll(): void {
    const files = [...this.#files.values()];
    const received = files.reduce((sum, file) => sum + file.received, 0);
    const isKnown = files.length === this.#count && files.every(({ total }) => total !== undefined);
    const total = isKnown ? files.reduce((sum, file) => sum + (file.total ?? 0), 0) : undefined;
    const { detail, transfer } = transferReport(received, total, this.#speed.perSecond);
    this.#reportFor()({ detail: `${detail}, ${this.#done} of ${this.#count} files`, transfer });
  }
}

function transferReport(received: number, total: number | undefined, perSecond: number) {
  const bytes =
    total === undefined ? formatBytes(received) : `${formatBytes(received)} of ${formatBytes(total)}`;
  const speed = perSecond > 0 ? `${formatBytes(perSecond)}/s` : '';
  const isLeft = total !== undefined && perSecond > 0 && received < total;
  const left = isLeft ? `${formatMs(((total - received) * 1000) / perSecond)} left` : '';
  return {
    detail: [left, speed, bytes].filter(Boolean).join(', '),
    transfer: {
      bytes: received,
      ...(total !== undefined && { total }),
      bytesPerSecond: Math.round(perSecond),
    },
  };
}
