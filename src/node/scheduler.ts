import { http } from '../../probes/http.ts';
import type { Need, Service } from '../component.ts';
import { controlLoopFlags } from './clients.ts';
import type { NodeFacts } from './facts.ts';
import { flags } from './flags.ts';
import { pkiPaths } from './pki/paths.ts';

/** Its secure port, the same since 1.12. */
const port = 10259;

/** Finds each pod its node: here the only one. */
export function scheduler(facts: NodeFacts, needs: readonly Need[]): Service {
  const pki = pkiPaths(facts.paths.pki);
  const args = flags({
    ...controlLoopFlags(facts, 'kube-scheduler'),
    'tls-cert-file': pki.controlLoop.cert,
    'tls-private-key-file': pki.controlLoop.key,
  });
  const look = (path: string) => http(`https://127.0.0.1:${port}/${path}`, { ca: pki.ca.cert });
  // Since 1.31 readyz also waits for the caches; before that there is healthz alone.
  const split = facts.minor >= 31;
  return {
    kind: 'service',
    name: 'scheduler',
    needs,
    command: { file: facts.programs['kube-scheduler'], args, env: facts.env },
    ready: look(split ? 'readyz' : 'healthz'),
    live: look(split ? 'livez' : 'healthz'),
    ports: [port],
  };
}
