/**
 * Environment variables that processes of our own need and that other processes must not see. The parent sets them, as
 * bin/k8s-single does; the child restores the original environment for its own children, since components may also be
 * Node.js programs and linked with glibc.
 *
 * - Node.js reads the file of NODE_EXTRA_CA_CERTS whenever it starts: 30 ms for a machine's usual CA bundle. It is renamed, and
 *   read only by code that needs the certificates: probes/transport/caBundle.ts.
 * - MALLOC_ARENA_MAX (mallopt(3)): with arenas for its threads, a supervisor keeps 4 MB that are never used again.
 */
const mark = 'K8S_SINGLE_ENV';
const [certificates, renamed] = ['NODE_EXTRA_CA_CERTS', 'K8S_SINGLE_EXTRA_CA_CERTS'];
const arenas = 'MALLOC_ARENA_MAX';

/** The environment for a process of our own, which must call {@link restoreEnv}. */
export function childEnv({ [certificates]: extra, ...env }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    ...env,
    ...(extra !== undefined && { [renamed]: extra }),
    ...(env[arenas] === undefined && { [arenas]: '1', [mark]: arenas }),
  };
}

/** Restores the original environment in this process. */
export function restoreEnv(): void {
  const { env } = process;
  if (env[renamed] !== undefined) env[certificates] = env[renamed];
  if (env[mark] === arenas) delete env[arenas];
  for (const name of [renamed, mark]) delete env[name];
}
