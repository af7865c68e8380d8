import { join, resolve } from 'node:path';
import { reasonOf } from '../lib/errors.ts';
import { homeDir } from '../lib/paths.ts';
import type { Config } from './config.ts';
import { certificatesIn, checkKey, readText } from './pemFiles.ts';
import { dockerCredentials } from './schema/defaults.ts';
import type { NodeConfig } from './schema/node.ts';
import type { Registries } from './schema/registries.ts';
import { Problems } from './yaml/problems.ts';

/** What a registry is told of who pulls. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string };

type Registry = Registries[string];

/** The registries with absolute paths. `docker` becomes the path of docker's config file. */
export function resolveRegistries(registries: Registries, dir: string): Registries {
  const files = ({ ca, cert, key, credentials }: Registry): Partial<Registry> => ({
    ...(ca !== undefined && { ca: resolve(dir, ca) }),
    ...(cert !== undefined && { cert: resolve(dir, cert) }),
    ...(key !== undefined && { key: resolve(dir, key) }),
    ...(credentials !== undefined && {
      credentials: credentials === dockerCredentials ? dockerConfigFile() : resolve(dir, credentials),
    }),
  });
  return Object.fromEntries(
    Object.entries(registries).map(([host, registry]) => [host, { ...registry, ...files(registry) }]),
  );
}

function dockerConfigFile(): string {
  const folder = process.env['DOCKER_CONFIG'];
  return join(folder ? resolve(folder) : join(homeDir(), '.docker'), 'config.json');
}

/**
 * Checks the files of the registries: containerd would only log what is wrong with them, and then pull without.
 * @throws Failure `usage` with the position of each file that cannot be used
 */
export function checkRegistryFiles({ node, file, positionOf }: Config): void {
  const problems = new Problems(file ?? 'the built-in config');
  for (const [host, registry] of Object.entries(node.registries)) {
    const check = (key: keyof Registry, look: () => void): void => {
      try {
        look();
      } catch (error) {
        const path = ['registries', host, key];
        problems.add(positionOf(path), `${path.join('.')}: ${reasonOf(error)}`);
      }
    };
    const { ca, cert, key } = registry;
    if (ca !== undefined) check('ca', () => certificatesIn(ca));
    if (cert !== undefined) check('cert', () => certificatesIn(cert));
    if (key !== undefined) check('key', () => checkKey(key, cert));
    check('credentials', () => credentialsFor(host, registry));
  }
  problems.throwIfAny();
}

/**
 * The credentials for a host, if its registry has some.
 * @throws Error when its file cannot be read or has none for this host; the message quotes nothing of the file
 */
export function credentialsFor(host: string, { credentials: file }: Registry): Credentials | undefined {
  if (file === undefined) return undefined;
  const text = readText(file).trim();
  if (text.startsWith('{')) return ofDockerConfig(host, file, text);
  const [, username, password] = /^([^\s:]+):([^\r\n]+)$/.exec(text) ?? [];
  if (username === undefined || password === undefined)
    throw new Error(`${file} is neither one line USER:PASSWORD nor a config.json of docker`);
  return { username, password };
}

/** All that is secret in the files of the registries. Unreadable files are skipped. */
export function registrySecrets({ registries }: Pick<NodeConfig, 'registries'>): string[] {
  return Object.entries(registries).flatMap(([host, registry]) => {
    try {
      const found = credentialsFor(host, registry);
      if (found === undefined) return [];
      if ('identityToken' in found) return [found.identityToken];
      return [found.password, Buffer.from(`${found.username}:${found.password}`).toString('base64')];
    } catch {
      return [];
    }
  });
}

interface DockerConfig {
  readonly auths?: Readonly<
    Record<string, Partial<Record<'auth' | 'username' | 'password' | 'identitytoken', string>> | null>
  >;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

/** The host of a key: a host, or a URL like https://index.docker.io/v1/. */
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

/** Of the file of `docker login`, or the auth.json of `podman login` (github.com/docker/cli, cli/config/configfile). */
function ofDockerConfig(host: string, file: string, text: string): Credentials {
  let config: DockerConfig;
  try {
    config = JSON.parse(text);
  } catch {
    // Its message would quote the file.
    throw new Error(`${file} is not valid JSON`);
  }
  const names = host === 'docker.io' ? ['docker.io', 'index.docker.io', 'registry-1.docker.io'] : [host];
  const entries = Object.entries(config.auths ?? {}).filter(([key]) => names.includes(hostOf(key)));
  for (const [, entry] of entries) {
    const { auth = '', username, password, identitytoken } = entry ?? {};
    if (identitytoken) return { identityToken: identitytoken };
    if (username && password) return { username, password };
    const [, user, secret] = /^([^:]+):(.+?)\0*$/s.exec(Buffer.from(auth, 'base64').toString()) ?? [];
    if (user !== undefined && secret !== undefined) return { username: user, password: secret };
  }
  const helper = names.map((name) => config.credHelpers?.[name]).find(Boolean) ?? config.credsStore;
  if (helper)
    throw new Error(
      `${file} leaves the login for ${host} to docker-credential-${helper}, which is not asked: name a file with USER:PASSWORD`,
    );
  throw new Error(`${file} has no login for ${host}: docker login ${host}`);
}
