import { criCall } from '../../../probes/kinds/cri.ts';
import { encodeField } from '../../../probes/transport/protobuf.ts';
import { GrpcError } from '../../../probes/transport/unary.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { ctrOf, imageStore } from './imageStore.ts';
import type { Containerd } from './imageStore.ts';
import { explainPull, fitsMachine, wrongPlatform } from './pullFailure.ts';
import type { PullFailure } from './pullFailure.ts';

/**
 * Pulls an image as the kubelet does: through CRI, with the mirrors, CAs and credentials of the config.
 * @param image its full name
 * @param onProgress called every second or so with what containerd is fetching, in its own words
 * @throws Failure `install` with the reason and what to do
 */
export async function pullImage(
  containerd: Containerd,
  image: string,
  signal: AbortSignal,
  onProgress: (detail: string) => void,
): Promise<void> {
  // PullImageRequest: image = 1; ImageSpec: image = 1.
  const request = encodeField(1, encodeField(1, image));
  const pull = criCall(containerd.socket, 'ImageService/PullImage', { request });
  const done = new AbortController();
  const watching = reportActive(containerd, onProgress, AbortSignal.any([done.signal, signal]));
  try {
    await pull(signal);
  } catch (error) {
    signal.throwIfAborted();
    const { cause } = error instanceof Error ? error : {};
    throw failed(
      image,
      explainPull(image, cause instanceof GrpcError ? cause.details : reasonOf(error)),
      error,
    );
  } finally {
    done.abort();
    await watching;
  }
  const pulled = (await imageStore(containerd).list()).find(({ name }) => name === image);
  // Its programs would not start.
  if (pulled !== undefined && pulled.platforms.length > 0 && !fitsMachine(pulled.platforms))
    throw failed(image, wrongPlatform(pulled.platforms));
}

function failed(image: string, { reason, remedy }: PullFailure, cause?: unknown): Failure {
  const hint = remedy === undefined ? {} : { hint: remedy };
  return new Failure('install', `${image} cannot be pulled: ${reason}`, { ...hint, cause });
}

/** Until the signal: CRI reports nothing before the end, but what is fetched is in the content store. */
async function reportActive(
  containerd: Containerd,
  onProgress: (detail: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const ctr = ctrOf(containerd);
  const look = async (): Promise<void> => {
    // REF SIZE AGE, the size as 1.2MB, without that of the whole.
    const { stdout } = await ctr(['content', 'active'], { signal });
    const sizes = stdout.split('\n').flatMap((line) => /^layer-\S+\s+(\S+)/.exec(line)?.[1] ?? []);
    const layers = sizes.length === 1 ? 'a layer' : `${sizes.length} layers`;
    if (sizes.length > 0) onProgress(`fetching ${layers}, so far ${sizes.join(', ')}`);
    throw new Unhealthy('not pulled yet');
  };
  const probe = async (): Promise<void> =>
    look().catch((error: unknown) => {
      throw new Unhealthy(reasonOf(error));
    });
  await until(probe, { timeoutMs: Infinity, periodMs: 1000, maxPeriodMs: 1000 }, signal).catch(
    () => undefined,
  );
}
