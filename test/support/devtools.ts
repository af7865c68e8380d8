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
  /** Called with each event of the domains that are enabled. */
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

/** Debian's Chromium, unpacked into the cache the first time, some 540 MB; nothing is installed. */
export async function openTab(): Promise<Tab> {
  const profile = await mkdtemp(join(tmpdir(), 'k8s-single-browser-'));
  const { child, ended } = await start(profile);
  const [toBrowser, fromBrowser] = [child.stdio[3], child.stdio[4]];
  if (!(toBrowser instanceof Writable) || !(fromBrowser instanceof Readable)) throw new Error('no pipes');
  const answers = new Map<number, (message: Message) => void>();
  let sessionId: string | undefined;
  let last = 0;
  const tab: Tab = {
    onEvent: () => undefined,
    async send<T>(method: string, params: object = {}): Promise<T> {
      const id = (last += 1);
      const answered = new Promise<Message>((resolve) => answers.set(id, resolve));
      toBrowser.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
      const { result, error } = await Promise.race([answered, ended]);
      if (error !== undefined) throw new Error(`${method}: ${error.message}`);
      return result as T;
    },
    async [Symbol.asyncDispose]() {
      process.kill(-child.pid!, 'SIGKILL');
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  eachMessage(fromBrowser, (message) => {
    if (message.id !== undefined) answers.get(message.id)?.(message);
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
  const libraries = (env['LD_LIBRARY_PATH'] ?? '').split(':');
  const path = [...libraries, ...libraries.map((each) => `${each}/pulseaudio`)].join(':');
  const program = join(root, 'usr/lib/chromium/chromium-headless-shell');
  const child = spawn(program, [...flags.split(' '), `--user-data-dir=${profile}`], {
    // A group of its own: it has children.
    detached: true,
    env: { ...process.env, FONTCONFIG_FILE: fonts, LD_LIBRARY_PATH: path },
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit').then((): Message => ({ error: { message: 'the browser has ended' } }));
  await once(child, 'spawn');
  return { child, ended };
}

/** Messages end with a NUL. */
function eachMessage(stream: Readable, onMessage: (message: Message) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const messages = (rest + chunk).split('\0');
    rest = messages.pop() ?? '';
    for (const message of messages) onMessage(JSON.parse(message) as Message);
  });
}
