/**
 * The file of NODE_EXTRA_CA_CERTS is read by Node.js whenever it starts, 30 ms for what a machine usually trusts, and again for
 * each process of a node. So bin/k8s-single and whoever starts a process of ours puts the variable aside, and each takes it back
 * for what it starts in turn: components may be Node.js, too. What needs the certificates reads them: probes/authorities.ts.
 */
const [variable, aside] = ['NODE_EXTRA_CA_CERTS', 'K8S_SINGLE_EXTRA_CA_CERTS'];

/** An environment for a process of ours, which is to call {@link takeBack}. */
export function putAside({ [variable]: extra, ...env }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return extra === undefined ? env : { ...env, [aside]: extra };
}

/** From now on the environment of this process is as it was before. */
export function takeBack(): void {
  const extra = process.env[aside];
  if (extra === undefined) return;
  delete process.env[aside];
  process.env[variable] = extra;
}
