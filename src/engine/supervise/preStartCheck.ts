import { probeOnce } from '../../../probes/probeOnce.ts';
import type { Service } from '../component.ts';
import { Failure } from '../../lib/errors.ts';
import { portHolder } from './ports.ts';

/** Before the start there is no reason to wait for an answer for longer than after it; in ms. */
const firstAttemptMs = 2000;

/**
 * Whoever already holds the port, or answers the probe before there is anything to answer, would be taken for ours.
 * The probe is asked on the first start only: a file it looks for may well outlive a process.
 */
export async function preStartCheck(service: Service, attempt: number, signal: AbortSignal): Promise<void> {
  for (const port of service.ports ?? []) {
    const holder = await portHolder(port);
    if (holder !== undefined) {
      throw new Failure('preflight', `${service.name} cannot have port ${port}: it is held by ${holder}`, {
        hint: 'stop that process, or give this component another port',
      });
    }
  }
  if (attempt > 1 || service.ports !== undefined) return;
  const timeoutMs = service.readyTiming?.attemptTimeoutMs ?? firstAttemptMs;
  const alreadyUp = await probeOnce(service.ready, timeoutMs, signal).then(
    () => true,
    () => false,
  );
  if (alreadyUp) {
    throw new Failure(
      'preflight',
      `${service.name} seems to be running already: its ready probe passes before its start`,
      {
        hint: 'stop the other one, or give this component a probe that tells them apart',
      },
    );
  }
}
