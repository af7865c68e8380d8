/**
 * What the environment of a process of ours has and that of others has not. Who starts one puts it there, as bin/k8s-single does;
 * the process takes it back for what it starts in turn, since components may be Node.js and linked with glibc, too.
 *
 * - The file of NODE_EXTRA_CA_CERTS is read by Node.js whenever it starts: 30 ms for what a machine usually trusts. It is put
 *   aside, and read by who needs the certificates: probes/authorities.ts.
 * - MALLOC_ARENA_MAX (mallopt(3)): else each thread of a supervisor keeps memory of its own, 2 MB that are never used again.
 */
const mark = 'K8S_SINGLE_ENV';
const [certificates, aside] = ['NODE_EXTRA_CA_CERTS', 'K8S_SINGLE_EXTRA_CA_CERTS'];
const arenas = 'MALLOC_ARENA_MAX';

/** An environment for a process of ours, which is to call {@link restoreEnv}. */
export function childEnv({ [certificates]: extra, ...env }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    ...env,
    ...(extra !== undefined && { [aside]: extra }),
    ...(env[arenas] === undefined && { [arenas]: '2', [mark]: arenas }),
  };
}

/** From now on the environment of this process is as it was before. */
export function restoreEnv(): void {
  const { env } = process;
  if (env[aside] !== undefined) env[certificates] = env[aside];
  if (env[mark] === arenas) delete env[arenas];
  for (const name of [aside, mark]) delete env[name];
}
