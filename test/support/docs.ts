import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

/** A fenced code block of a page. */
export interface Block {
  /** The page, relative to the root of the project. */
  readonly page: string;
  /** The last heading above it, without `#`. */
  readonly section: string;
  readonly language: string;
  readonly text: string;
}

/** The pages whose examples are tested, relative to the root of the project. */
export async function pages(): Promise<string[]> {
  const names = await readdir(join(root, 'docs'));
  return ['README.md', ...names.filter((name) => name.endsWith('.md')).map((name) => join('docs', name))];
}

export async function textOf(page: string): Promise<string> {
  return readFile(join(root, page), 'utf8');
}

/** The page without its code blocks. */
export async function proseOf(page: string): Promise<string> {
  return (await textOf(page)).replaceAll(fence, '');
}

/** The code blocks of all pages, or of one, in order. */
export async function blocks(language?: string, page?: string): Promise<Block[]> {
  const all = await Promise.all((page === undefined ? await pages() : [page]).map(blocksOf));
  return all.flat().filter((block) => language === undefined || block.language === language);
}

/** The one code block of this language in a section of a page. */
export async function blockIn(page: string, section: string, language: string): Promise<string> {
  const found = (await blocks(language, page)).filter((block) => block.section === section);
  if (found.length !== 1) throw new Error(`${page}, "${section}": ${found.length} blocks of ${language}`);
  return found[0]?.text ?? '';
}

const fence = /^```(\w*)\n(.*?)^```$/gms;

async function blocksOf(page: string): Promise<Block[]> {
  const text = await textOf(page);
  return [...text.matchAll(fence)].map(({ 1: language = '', 2: block = '', index }) => ({
    page,
    section: /.*^#+ (.*?)$/ms.exec(text.slice(0, index).replaceAll(fence, ''))?.[1] ?? '',
    language,
    text: block,
  }));
}
