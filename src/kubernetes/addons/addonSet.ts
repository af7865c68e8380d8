import { execFile } from 'node:child_process';
import { Unhealthy } from '../../../probes/probe.ts';
import { childEnv } from '../../lib/childEnv.ts';
import { reasonOf } from '../../lib/errors.ts';
import { programFile } from '../../lib/paths.ts';
import type { NodeFacts } from '../facts.ts';
import { adminAccess } from '../kubeconfig/clients.ts';
import { Addon } from './addon.ts';
import type { AddonContext } from './addon.ts';
import { Inventories } from './inventory.ts';
import { KubeApi, Unreachable } from './kubeApi.ts';
import { dueEntries, prune } from './prune.ts';
import type { ManifestOrder, ManifestResult } from './readManifest.ts';
import { addonFilesIn, addonSources } from './source.ts';

/** The time limit for reading one manifest, a download included, in ms. */
const readMs = 120_000;
/** How long what is known of kept objects is believed, in ms. */
const keptMs = 15_000;
const maxAnswerBytes = 128 * 1024 * 1024;

/** What {@link AddonSet} needs of a node. */
export type AddonFacts = Pick<NodeFacts, 'config' | 'paths' | 'addons' | 'env' | 'proxyEnv'>;

/** All addons of a node: those with a component of their own, and those whose files have come since the start. */
export class AddonSet {
  readonly #facts: AddonFacts;
  readonly #addons = new Map<string, Addon>();
  readonly #context: AddonContext;
  /** The addons that have a component. */
  readonly #withComponent: ReadonlySet<string>;
  #kept: { readonly signature: string; readonly reasons: readonly string[]; readonly at: number } | undefined;
  readonly #said = new Set<string>();
  /** Whose files were missing at the last look. */
  #missing: ReadonlySet<string> = new Set();

  constructor(facts: AddonFacts, api = new KubeApi(adminAccess(facts))) {
    this.#facts = facts;
    this.#context = {
      api,
      inventories: new Inventories(api),
      present: () => [...this.#addons.values()].filter(({ isGone }) => !isGone),
      read: async (order, signal) => readInChild(order, { ...facts.env, ...facts.proxyEnv }, signal),
    };
    for (const source of addonSources(facts, facts.addons.files ?? []))
      this.#addons.set(source.name, new Addon(source, this.#context));
    this.#withComponent = new Set(this.#addons.keys());
  }

  /** One attempt to make an addon ready. */
  async reconcile(name: string, signal: AbortSignal): Promise<void> {
    await this.#addons.get(name)?.reconcile(signal);
  }

  /**
   * One attempt at all that no addon's own component does: looks into the folder, applies what is new there, and removes what is
   * in no manifest any more.
   * @throws Unhealthy with all reasons why something is left to do
   */
  async maintain(signal: AbortSignal): Promise<void> {
    this.#lookIntoFolder();
    const reasons: string[] = [];
    for (const addon of this.#context.present()) {
      if (this.#withComponent.has(addon.name)) continue;
      await addon.reconcile(signal).catch((error: unknown) => {
        if (error instanceof Unreachable || !(error instanceof Unhealthy)) throw error;
        reasons.push(`${addon.name}: ${error.message}`);
      });
    }
    reasons.push(...(await this.#prune(signal)));
    if (reasons.length > 0) throw new Unhealthy(reasons.join('; '));
  }

  /** Removes what is due. What is kept, and why, is looked at again only now and then: that takes many requests. */
  async #prune(signal: AbortSignal): Promise<readonly string[]> {
    await this.#context.inventories.load(signal);
    const due = dueEntries(this.#context, this.#facts.addons);
    const signature = JSON.stringify(due.map(({ entries, blocked }) => [entries, blocked]));
    const last = this.#kept;
    if (last?.signature === signature && performance.now() - last.at < keptMs) return last.reasons;
    const { reasons, isWaiting } = await prune(this.#context, due, this.#said, signal);
    this.#kept =
      isWaiting || reasons.length === 0 ? undefined : { signature, reasons, at: performance.now() };
    return reasons;
  }

  /** Notices files that have come or gone. Programs that write a file may remove it first: it is gone when it is missing twice. */
  #lookIntoFolder(): void {
    const { paths } = this.#facts;
    let files: readonly string[];
    try {
      files = addonFilesIn(paths.addons) ?? [];
    } catch (error) {
      throw new Unhealthy(`the folder for addons cannot be read: ${reasonOf(error)}`, { cause: error });
    }
    const sources = addonSources(this.#facts, files);
    const names = new Set(sources.map(({ name }) => name));
    for (const source of sources) {
      const known = this.#addons.get(source.name);
      const isSame = known?.source.place === source.place && known.source.problem === source.problem;
      if (known === undefined || known.isGone || !isSame)
        this.#addons.set(source.name, new Addon(source, this.#context));
    }
    const missing = new Set([...this.#addons.keys()].filter((name) => !names.has(name)));
    for (const name of missing) {
      const addon = this.#addons.get(name);
      if (addon !== undefined && this.#missing.has(name)) addon.isGone = true;
    }
    this.#missing = missing;
  }
}

/** Reads a manifest in a process of its own: see manifest.ts. */
async function readInChild(
  order: ManifestOrder,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<ManifestResult> {
  const options = { env: childEnv(env), signal, timeout: readMs, maxBuffer: maxAnswerBytes, cwd: '/' };
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [programFile('manifest')], options, (error, stdout, stderr) => {
      if (error !== null) {
        const said = stderr.trim().split('\n').at(-1) ?? '';
        reject(new Unhealthy(`${order.place} cannot be read: ${said || error.message}`, { cause: error }));
        return;
      }
      const result: ManifestResult = JSON.parse(stdout);
      resolve(result);
    });
    child.stdin?.on('error', () => undefined).end(JSON.stringify(order));
  });
}
