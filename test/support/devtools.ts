import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { debianRoot } from '../config/debianRoot.ts';

/** A tab of a headless Chromium (https://chromedevtools.github.io/devtools-protocol). */
export interface Tab extends AsyncDisposable {
  send<T>(method: string, params?: object): Promise<T>;
  /** Called with each event of the enabled domains. */
  onEvent: (method: string, params: unknown) => void;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

const packages = ['chromium-headless-shell', 'fonts-dejavu-core'];
const flags =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking ' +
  '--disable-component-update --disable-sync --remote-debugging-pipe';

/** Starts Debian's Chromium, which the first call unpacks into the cache (about 540 MB). Nothing is installed. */
export async function openTab(): Promise<Tab> {
  const profile = await mkdtemp(join(tmpdir(), 'k8s-single-browser-'));
  const { child, exited } = await start(profile);
  const [toBrowser, fromBrowser] = [child.stdio[3], child.stdio[4]];
  if (!(toBrowser instanceof Writable) || !(fromBrowser instanceof Readable))
    throw new Error('the browser has no pipes');
  const pending = new Map<number, (message: Message) => void>();
  let sessionId: string | undefined;
  let lastId = 0;
  const tab: Tab = {
    onEvent: () => undefined,
    async send<T>(method: string, params: object = {}): Promise<T> {
      const id = (lastId += 1);
      const response = new Promise<Message>((resolve) => pending.set(id, resolve));
      toBrowser.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
      const { result, error } = await Promise.race([response, exited]);
      if (error !== undefined) throw new Error(`${method}: ${error.message}`);
      return result as T;
    },
    async [Symbol.asyncDispose]() {
      process.kill(-child.pid!, 'SIGKILL');
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  eachMessage(fromBrowser, (message) => {
    if (message.id !== undefined) pending.get(message.id)?.(message);
    else tab.onEvent(message.method ?? '', message.params);
  });
  const target = await tab.send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' });
  const attached = await tab.send<{ sessionId: string }>('Target.attachToTarget', {
    ...target,
    flatten: true,
  });
  sessionId = attached.sessionId;
  return tab;
}

async function start(profile: string) {
  const { root, env } = await debianRoot(packages);
  const fonts = join(profile, 'fonts.conf');
  const dirs = `<dir>${root}/usr/share/fonts</dir><cachedir>${profile}/fonts</cachedir>`;
  await writeFile(fonts, `<fontconfig>${dirs}</fontconfig>`);
  const folders = (env['LD_LIBRARY_PATH'] ?? '').split(':');
  const libraryPath = [...folders, ...folders.map((folder) => `${folder}/pulseaudio`)].join(':');
  const program = join(root, 'usr/lib/chromium/chromium-headless-shell');
  const child = spawn(program, [...flags.split(' '), `--user-data-dir=${profile}`], {
    // A process group of its own, to kill it with its children.
    detached: true,
    env: { ...process.env, FONTCONFIG_FILE: fonts, LD_LIBRARY_PATH: libraryPath },
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit').then((): Message => ({ error: { message: 'the browser exited' } }));
  await once(child, 'spawn');
  return { child, exited };
}

/** Splits the stream into messages, each terminated by a NUL byte. */
function eachMessage(stream: Readable, onMessage: (message: Message) => void): void {
  let incomplete = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const messages = (incomplete + chunk).split('\0');
    incomplete = messages.pop() ?? '';
    for (const message of messages) onMessage(JSON.parse(message) as Message);
  });
}
