import { Composer, isMap, isNode, isScalar, isSeq, Lexer, LineCounter, Parser } from 'yaml';
import type { CST, Document, Node, YAMLError } from 'yaml';
import { PlainValues } from '../yaml/plainValues.ts';
import type { Position, Problems } from '../yaml/problems.ts';
import type { Source } from '../yaml/source.ts';

/** Several times as deep as a config can be. Every level costs the parser more than the one before. */
const maxDepth = 100;

/** A YAML file as plain maps, lists and texts, that still knows where each of them stands. */
export class YamlFile implements Source {
  /** The whole file; an empty one is an empty map. */
  readonly root: unknown;
  readonly #contents: Node | null;
  readonly #lines = new LineCounter();
  readonly #values: PlainValues;

  /** @throws Failure `usage` with what is wrong with it as YAML. */
  constructor(text: string, problems: Problems) {
    const composer = new Composer({
      schema: 'failsafe',
      stringKeys: true,
      uniqueKeys: false,
      logLevel: 'error',
    });
    const [document, another] = composer.compose(this.#tokens(text, problems), true, text.length);
    for (const { message, pos } of mistakesOf(document))
      problems.add(this.#positionAt(pos[0]), message + quotingHint(text, pos[0]));
    if (another !== undefined)
      problems.add(this.#positionAt(another.range[0]), 'a config is one YAML document: remove the ---');
    problems.throwIfAny();

    this.#contents = document?.contents ?? null;
    this.#values = new PlainValues((at, message) => problems.add(this.#position(at), message));
    this.root = this.#contents === null ? {} : this.#values.of(this.#contents);
    problems.throwIfAny();
  }

  positionOf(path: readonly PropertyKey[]): Position {
    return this.#position(this.#find(path).at);
  }

  positionOfKey(path: readonly PropertyKey[], key: string): Position {
    const { node, at } = this.#find(path);
    const pair = isMap(node) ? this.#values.pairOf(node, key) : undefined;
    return this.#position(pair?.key ?? at);
  }

  sourceOf(path: readonly PropertyKey[]): string | undefined {
    const { node, depth } = this.#find(path);
    return isScalar(node) && depth === path.length ? node.source : undefined;
  }

  /** As deep as the file goes along `path`: the node there, what shows its place, and how many steps it took. */
  #find(path: readonly PropertyKey[]): { node: unknown; at: unknown; depth: number } {
    let node: unknown = this.#contents;
    let at = node;
    let depth = 0;
    for (const step of path) {
      const pair = isMap(node) ? this.#values.pairOf(node, String(step)) : undefined;
      const item = isSeq(node) ? node.items[Number(step)] : undefined;
      const next = pair?.value ?? item;
      if (next === undefined) break;
      node = this.#values.targetOf(next);
      at = pair !== undefined && !isScalar(next) ? pair.key : next;
      depth += 1;
    }
    return { node, at, depth };
  }

  /** As the parser makes them, as long as they do not go too deep. */
  *#tokens(text: string, problems: Problems): Generator<CST.Token, void> {
    const parser = new Parser(this.#lines.addNewLine);
    this.#lines.addNewLine(0);
    for (const lexeme of new Lexer().lex(text)) {
      yield* parser.next(lexeme);
      if (parser.stack.length <= maxDepth) continue;
      problems.add(this.#positionAt(parser.offset), `this is nested more than ${maxDepth} levels deep`);
      problems.throwIfAny();
    }
    yield* parser.end();
  }

  #position(node: unknown): Position {
    return this.#positionAt(isNode(node) ? node.range?.[0] : undefined);
  }

  #positionAt(offset = 0): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

/** One slip makes the parser stumble again and again, so only the first error counts. */
function mistakesOf(document: Document.Parsed | undefined): YAMLError[] {
  const { errors = [], warnings = [] } = document ?? {};
  return [...errors.slice(0, 1), ...warnings];
}

/** In `[ ]` and `{ }` the braces of a reference are YAML's own, the trap of every config with references. */
function quotingHint(text: string, offset: number): string {
  const begin = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  const line = text.slice(begin, end === -1 ? undefined : end);
  return /[[{,:]\s*[^\s'"#,]*\$\{/.test(line)
    ? ' (inside [ ] and { }, put quotes around a text with ${...})'
    : '';
}
