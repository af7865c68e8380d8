import { exec } from '../../../probes/kinds/exec.ts';
import type { ExecOptions } from '../../../probes/kinds/exec.ts';
import { parseProbe } from '../../../probes/kinds/parseProbe.ts';
import { probeOnce } from '../../../probes/probeOnce.ts';
import { all } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import type { ProbeSpec } from '../schema/probeSpec.ts';
import { etcdProbe, httpProbe } from '../schema/urlProbes.ts';

/** The probe that a config describes. `around`: where and with what environment its commands run. */
export function probeOf(spec: ProbeSpec, around: ExecOptions): Probe {
  const { timeout } = spec;
  const probe = kindOf(spec, around);
  return timeout === undefined ? probe : async (signal) => probeOnce(probe, timeout, signal);
}

function kindOf(spec: ProbeSpec, around: ExecOptions): Probe {
  if (spec.all !== undefined) return all(...spec.all.map((one) => probeOf(one, around)));
  if (spec.http !== undefined) return httpProbe(spec.http);
  if (spec.etcd !== undefined) return etcdProbe(spec.etcd);
  if (spec.exec !== undefined) return execProbe(spec.exec, around);
  for (const kind of ['tcp', 'unix', 'file', 'grpc', 'cri'] as const) {
    const target = spec[kind];
    if (target !== undefined) return parseProbe(kind, target);
  }
  throw new TypeError('a probe without a kind');
}

function execProbe([program = '', ...args]: readonly string[], around: ExecOptions): Probe {
  return exec([program, ...args], around);
}
