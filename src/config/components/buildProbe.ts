import { exec } from '../../../probes/kinds/exec.ts';
import type { ExecOptions } from '../../../probes/kinds/exec.ts';
import { parseProbe } from '../../../probes/kinds/parseProbe.ts';
import { probeOnce } from '../../../probes/probeOnce.ts';
import { all } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import type { ProbeSpec } from '../schema/probeSpec.ts';
import { etcdProbe, httpProbe } from '../schema/urlProbes.ts';

/** The probe of a config. `options` gives those of its commands. */
export function buildProbe(spec: ProbeSpec, options: () => Promise<ExecOptions>): Probe {
  const { timeout } = spec;
  const probe = untimedProbe(spec, options);
  return timeout === undefined ? probe : async (signal) => probeOnce(probe, timeout, signal);
}

function untimedProbe(spec: ProbeSpec, options: () => Promise<ExecOptions>): Probe {
  if (spec.all !== undefined) return all(...spec.all.map((one) => buildProbe(one, options)));
  if (spec.http !== undefined) return httpProbe(spec.http);
  if (spec.etcd !== undefined) return etcdProbe(spec.etcd);
  if (spec.exec !== undefined) {
    const [program = '', ...args] = spec.exec;
    return exec([program, ...args], options);
  }
  for (const kind of ['tcp', 'unix', 'file', 'grpc', 'cri'] as const) {
    const target = spec[kind];
    if (target !== undefined) return parseProbe(kind, target);
  }
  throw new TypeError('a probe without a kind');
}
