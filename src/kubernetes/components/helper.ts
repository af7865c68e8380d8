import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { http } from '../../../probes/kinds/http.ts';
import type { Probe } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import type { Command, Component, Dependency } from '../../engine/component.ts';
import type { DnsOptions, HelperOptions } from '../../helper/options.ts';
import { ensurePrivateFolder } from '../../lib/atomicFile.ts';
import { childEnv } from '../../lib/childEnv.ts';
import { programFile } from '../../lib/paths.ts';
import { commandWith } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { localServer } from '../kubeconfig/clients.ts';
import { pkiPaths } from '../pki/paths.ts';
import { grantStorage, withdrawStorage } from '../storage/rights.ts';

/** Time limit for the removal of what an earlier start has made, in ms. */
const timeoutMs = 120_000;

/** The helper process as a component of its own; undefined if the component `dns` runs it, or if it has nothing to do. */
export function helper(facts: NodeFacts, needs: readonly Dependency[]): Component | undefined {
  if (facts.dns.kind === 'embedded' || facts.config.storage === 'none') return undefined;
  const grant = grantHelper(facts);
  const isHealthy = helperHealthy(facts);
  let isGranted = false;
  const ready: Probe = async (signal) => {
    if (!isGranted) await grant(signal);
    isGranted = true;
    await isHealthy(signal);
  };
  return {
    kind: 'service',
    name: 'helper',
    needs,
    command: async () => helperCommand(facts),
    ready,
    // Not its checks: they fail while the API server is away, which no restart helps.
    live: http(healthUrl, { socketPath: facts.paths.helperSocket, status: [200, 503] }),
    // Without it, only new volumes wait.
    restart: { onFailure: 'keepOthers' },
    stop: { graceMs: 1000 },
  };
}

/** With `storage: none` a task that removes what an earlier start has made, lest claims wait for nobody. */
export function storageRemoval(facts: NodeFacts, needs: readonly Dependency[]): Component | undefined {
  if (facts.config.storage === 'local') return undefined;
  const run = async (signal: AbortSignal, onAttemptFailed: (reason: string) => void): Promise<void> =>
    until(withdrawStorage(facts), { timeoutMs, onAttemptFailed }, signal);
  return { kind: 'task', name: 'storage-removal', needs, timeoutMs, run };
}

const healthUrl = 'http://localhost/healthz';

/** Gives the helper process the rights of its parts. */
export function grantHelper(facts: NodeFacts): Probe {
  const grant = facts.config.storage === 'local' ? grantStorage(facts) : undefined;
  return async (signal) => grant?.(signal);
}

/** Passes when all parts of the helper process work; else it has the reason of the first that does not. */
export function helperHealthy(facts: NodeFacts): Probe {
  return http(healthUrl, { socketPath: facts.paths.helperSocket });
}

/** The helper process: storage by the config, and DNS if it is to serve it. Its options are written at each start. */
export function helperCommand(facts: NodeFacts, dns?: DnsOptions): Command {
  const { config, paths } = facts;
  const pki = pkiPaths(paths.pki);
  const options: HelperOptions = {
    api: { server: localServer(facts), ca: pki.ca.cert, ...pki.helper },
    healthSocket: paths.helperSocket,
    ...(dns !== undefined && { dns }),
    ...(config.storage === 'local' && {
      storage: { folder: join(paths.data, 'volumes'), nodeName: config.nodeName },
    }),
  };
  const folder = join(paths.data, 'helper');
  ensurePrivateFolder(folder);
  const file = join(folder, 'options.json');
  writeFileSync(file, JSON.stringify(options));
  // By a flag of the command line, since V8 takes it only at its start: at 4000 questions a second, 55 MB instead of 60.
  const args = ['--max-semi-space-size=1', programFile('helper'), file];
  // With childEnv: it is a process of ours, and as small as the supervisor.
  return commandWith(childEnv(facts.env), process.execPath, args);
}
