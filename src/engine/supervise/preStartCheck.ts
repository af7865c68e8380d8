import { passes } from '../../../probes/probeOnce.ts';
import type { Service } from '../component.ts';
import { Failure } from '../../lib/errors.ts';
import { portHolder } from './ports.ts';

/** Time limit of a single attempt of the readiness probe, in ms: that of each attempt after the start (probes/until.ts). */
export const attemptTimeoutMs = 2000;

/**
 * Refuses the start if another process holds one of the ports, or already passes the readiness probe: it would be mistaken
 * for ours. The probe is run before the first start only, and only without ports: a file that it checks may well outlive a process.
 * @throws Failure `preflight`.
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
  const timeoutMs = service.readyTiming?.attemptTimeoutMs ?? attemptTimeoutMs;
  if (await passes(service.ready, timeoutMs, signal)) {
    throw new Failure(
      'preflight',
      `${service.name} seems to be running already: its ready probe passes before its start`,
      { hint: 'stop the other one, or give this component a probe that tells them apart' },
    );
  }
}
