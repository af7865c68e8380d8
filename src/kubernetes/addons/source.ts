import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AddonConfig } from '../../config/schema/addons.ts';
import { addonName, addonNameForm } from '../../lib/paths.ts';
import { hasErrorCode } from '../../lib/systemError.ts';
import type { NodeFacts } from '../facts.ts';

/** An addon before its manifests are read. */
export interface AddonSource {
  readonly name: string;
  /** Objects of an addon from the config stay while the node runs without a config file. */
  readonly origin: 'config' | 'folder';
  /** For messages, such as the path of its file. */
  readonly place: string;
  readonly from:
    | { readonly file: string }
    | { readonly url: string; readonly copy: string }
    | { readonly text: string };
  readonly namespace: string | undefined;
  readonly wait: readonly AddonConfig['wait'][number][];
  readonly required: boolean;
  /** Why it cannot be used at all, such as a name that two addons have. */
  readonly problem?: string;
}

const extension = /\.(?:ya?ml|json)$/;

/** The names of the manifests in the folder, sorted; undefined without the folder. Hidden files and other kinds are none. */
export function addonFilesIn(folder: string): string[] | undefined {
  try {
    const names = readdirSync(folder).filter((name) => !name.startsWith('.') && extension.test(name));
    return names.sort();
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** {@link addonFilesIn}, when only the names matter: whoever reads the files says what is wrong with the folder. */
export function plannedAddonFiles(folder: string): string[] | undefined {
  try {
    return addonFilesIn(folder);
  } catch {
    return [];
  }
}

/** The addons of the config and of the folder, sorted by name. Of those with the same name, one with the problem. */
export function addonSources(
  { config, paths }: Pick<NodeFacts, 'config' | 'paths'>,
  files: readonly string[],
): AddonSource[] {
  const all = [
    ...Object.entries(config.addons).map(([name, addon]) => fromConfig(name, addon, paths.addons)),
    ...files.map((file) => fromFile(file, paths.addons)),
  ];
  const byName = new Map<string, AddonSource>();
  for (const source of all) {
    const other = byName.get(source.name);
    const problem = `two addons are called ${source.name}: ${other?.place} and ${source.place}; rename one of them`;
    byName.set(source.name, other === undefined ? source : { ...other, problem });
  }
  return [...byName.values()].sort((one, another) => (one.name < another.name ? -1 : 1));
}

function fromConfig(name: string, addon: AddonConfig, folder: string): AddonSource {
  const { file, url, manifest = '', namespace, wait, required } = addon;
  const common = { name, origin: 'config', namespace, wait, required } as const;
  if (file !== undefined) return { ...common, place: file, from: { file } };
  // Hidden, so that it is no addon of the folder.
  if (url !== undefined) return { ...common, place: url, from: { url, copy: join(folder, `.${name}`) } };
  return { ...common, place: `addons.${name}.manifest of the config`, from: { text: manifest } };
}

function fromFile(fileName: string, folder: string): AddonSource {
  const name = fileName.replace(extension, '');
  const file = join(folder, fileName);
  const common = { origin: 'folder', place: file, from: { file }, namespace: undefined, wait: [] } as const;
  if (addonName.test(name)) return { ...common, name, required: false };
  const problem = `the name of an addon is ${addonNameForm}: rename ${file}`;
  return { ...common, name, required: false, problem };
}
