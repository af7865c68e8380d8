/** Why an image could not be pulled, for people. */
export interface PullFailure {
  readonly reason: string;
  /** What to do about it, if that is known. */
  readonly remedy?: string;
}

/**
 * What an error of containerd (remotes/docker, core/remotes/docker) or the message of a pod's container that waits for its image
 * means. Without a known cause the reason is the last part of the error.
 * @param error untrusted text of any length
 */
export function explainPull(image: string, error: string): PullFailure {
  const text = error.replaceAll(/\p{Cc}/gu, ' ');
  for (const [pattern, explain] of causes) {
    const match = pattern.exec(text);
    if (match !== null) return explain({ image, host: hostIn(text, image), match });
  }
  // What is before it repeats the image.
  const last = text
    .replace(/^.*rpc error: code = \w+ desc = /, '')
    .replace(/^(?:failed to [^:"]*"[^"]*": )+/, '');
  return { reason: last.trim().slice(0, maxLength) };
}

/**
 * What is to be said of the pulls in containerd's log: a line for each image whose last pull has failed, not long ago.
 * @param lines of any version: the CRI plugin logs each pull and its end
 * @param now in ms since the epoch
 */
export function pullNotes(lines: readonly string[], now: number): string[] {
  const failed = new Map<string, string>();
  for (const line of lines) {
    const [, at = '', image, error] =
      /^time="([^"]+)".*msg="PullImage \\"([^"\\]+)\\" (?:failed" error="((?:[^"\\]|\\.)*)|returns)/.exec(
        line,
      ) ?? [];
    if (image === undefined) continue;
    failed.delete(image);
    if (error !== undefined && now - Date.parse(at) < recentMs)
      failed.set(image, error.replaceAll('\\"', '"'));
  }
  const notes = [...failed].map(([image, error]) => {
    const { reason, remedy } = explainPull(image, error);
    return `images: ${image} cannot be pulled: ${reason}${remedy === undefined ? '' : `; ${remedy}`}`;
  });
  const more = notes.length - maxNotes;
  return more > 0 ? [...notes.slice(-maxNotes), `images: ${more} more cannot be pulled`] : notes;
}

/** More than the longest pause of the kubelet between two attempts, 5 min (MaxContainerBackOff in pkg/kubelet/kubelet.go). */
const recentMs = 6 * 60_000;
const maxNotes = 5;

/** In characters. */
const maxLength = 500;

interface Cause {
  readonly image: string;
  readonly host: string;
  readonly match: RegExpExecArray;
}

/** The first that matches counts. */
const causes: readonly (readonly [RegExp, (cause: Cause) => PullFailure])[] = [
  [
    // The node's own address is its name server then: see finishSetupInside.ts.
    /lookup \S+ on \S+: (?:read|dial|write) \w+ .*connection refused|no route to host|network is unreachable/,
    ({ host }) => ({
      reason: `the node does not reach ${host}: it has no egress`,
      remedy: 'see "egress" of k8s-single doctor, or load the image from a file: k8s-single image load',
    }),
  ],
  [
    /proxyconnect tcp: (.*)/,
    ({ match }) => ({
      reason: `the proxy does not answer: ${match[1]?.slice(0, maxLength)}`,
      remedy:
        'see HTTPS_PROXY and NO_PROXY of whoever starts the node; the node does not reach a proxy on 127.0.0.1',
    }),
  ],
  [
    /lookup (\S+?)(?: on \S+)?: (?:no such host|server misbehaving|.*i\/o timeout|Temporary failure.*)/,
    ({ match }) => ({
      reason: `the name ${match[1]} does not resolve`,
      remedy:
        "check the image's name, and the name servers of the host; see registries in a config for mirrors",
    }),
  ],
  [
    /x509: certificate signed by unknown authority|x509: .*certificate is not trusted/,
    ({ host }) => ({
      reason: `the certificate of ${host} is signed by a CA that the node does not trust`,
      remedy: `set registries.${quoted(host)}.ca in the config`,
    }),
  ],
  [
    /x509: (certificate is (?:valid for|not valid)|cannot validate|certificate has expired)[^"]*/,
    ({ host, match }) => ({
      reason: `the certificate of ${host} does not fit: ${match[0].slice('x509: '.length, maxLength)}`,
    }),
  ],
  [
    /server gave HTTP response to HTTPS client|first record does not look like a TLS handshake/,
    ({ host }) => ({
      reason: `${host} speaks HTTP without TLS`,
      remedy: `set registries.${quoted(host)} in the config to { mirrors: ["http://${host}"], upstream: false }`,
    }),
  ],
  [
    /remote error: tls: (?:bad certificate|certificate required|unknown certificate)/,
    ({ host }) => ({
      reason: `${host} demands another client certificate`,
      remedy: `set registries.${quoted(host)}.cert and .key in the config`,
    }),
  ],
  [
    /\b429\b|toomanyrequests|too many requests/i,
    ({ host }) => ({
      reason: `${host} allows no more pulls for now: its rate limit (429)`,
      remedy: `log in with registries.${quoted(registryOf(host))}.credentials, or name a mirror, in the config`,
    }),
  ],
  [
    /\b401\b|\b403\b|unauthorized|authorization failed|pull access denied|insufficient_scope|no basic auth credentials|denied:/i,
    ({ host, image }) => ({
      reason: `${host} refuses the pull: ${image} needs a login, another one, or does not exist`,
      remedy: `set registries.${quoted(registryOf(host))}.credentials in the config, or imagePullSecrets of the pod`,
    }),
  ],
  [
    /connect: connection refused|connection reset by peer|i\/o timeout|TLS handshake timeout|\bEOF\b|context deadline exceeded/,
    ({ host, match }) => ({
      reason: `${host} does not answer: ${match[0].replace('connect: ', '')}`,
      remedy: 'is the registry up?',
    }),
  ],
  [/no match for platform/, () => wrongPlatform()],
  [
    /not found|manifest unknown|NAME_UNKNOWN|\b404\b/i,
    ({ image }) => ({ reason: `there is no image ${image}`, remedy: 'check its name and tag' }),
  ],
  [/no space left on device/, () => ({ reason: 'the disk is full' })],
  [
    /invalid reference format|failed to parse image reference|InvalidImageName/,
    ({ image }) => ({ reason: `${JSON.stringify(image)} is not the name of an image` }),
  ],
  [
    /\b5\d\d (?:Internal Server Error|Bad Gateway|Service Unavailable|Gateway Timeout)/i,
    ({ host, match }) => ({ reason: `${host} fails: ${match[0]}`, remedy: 'try again later' }),
  ],
];

/** The host that was asked: of the URL in the error, else that of the image's name. */
function hostIn(text: string, image: string): string {
  const [, asked] =
    /\bhttps?:\/\/([^/"?\\\s]+)\/v2\//.exec(text) ?? /pulling from host (\S+)/.exec(text) ?? [];
  return asked ?? image.replace(/\/.*$/s, '');
}

/** The name of a host in a config. */
function registryOf(host: string): string {
  return /^(?:registry-1|auth)\.docker\.io$/.test(host) ? 'docker.io' : host;
}

function quoted(host: string): string {
  return JSON.stringify(registryOf(host));
}

/**
 * An image without a variant for this machine. containerd notices it only if the image has several.
 * @param platforms those that it has, if they are known
 */
export function wrongPlatform(platforms: readonly string[] = []): PullFailure {
  const others = platforms.length === 0 ? '' : `, only for ${platforms.join(', ')}`;
  return {
    reason: `it is not for this machine's platform, linux/${architecture}${others}`,
    remedy: `push it for this platform, too: docker buildx build --platform linux/${architecture}`,
  };
}

/** Whether one of these platforms is this machine's, in any variant: linux/arm64/v8. */
export function fitsMachine(platforms: readonly string[]): boolean {
  return platforms.some((platform) => `${platform}/`.startsWith(`linux/${architecture}/`));
}

const architecture = { x64: 'amd64', ppc64: 'ppc64le' }[process.arch as string] ?? process.arch;
