import { exec } from '../../probes/exec.ts';
import type { ExecOptions } from '../../probes/exec.ts';
import { http } from '../../probes/http.ts';
import { parseProbe } from '../../probes/kinds.ts';
import { look } from '../../probes/look.ts';
import { all } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import type { EtcdSpec, HttpSpec, ProbeSpec } from './probeSpec.ts';

/** The probe that a config describes. `around`: where and with what environment its commands run. */
export function probeOf(spec: ProbeSpec, around: ExecOptions): Probe {
  const { timeout } = spec;
  const probe = kindOf(spec, around);
  return timeout === undefined ? probe : async (signal) => look(probe, timeout, signal);
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

/** @throws Error when the options do not go together. */
export function httpProbe({ url, socket, ...options }: HttpSpec): Probe {
  return http(url, { ...options, ...(socket !== undefined && { socketPath: socket }) });
}

/** @throws Error when the options do not go together. */
export function etcdProbe({ url, ...tls }: EtcdSpec): Probe {
  return parseProbe('etcd', url, tls);
}

function execProbe([program = '', ...args]: readonly string[], around: ExecOptions): Probe {
  return exec([program, ...args], around);
}
