import { Composer, isMap, isNode, isScalar, isSeq, Lexer, LineCounter, Parser } from 'yaml';
import type { CST, Document, Node, YAMLError } from 'yaml';
import { PlainValues } from './plainValues.ts';
import type { Position, Problems } from './problems.ts';

/** Several times the depth of a valid config. Each level costs the parser more than the one before. */
const maxDepth = 100;

/** A YAML file as plain maps, lists and texts, with the position of each in the file. */
export class YamlFile {
  /** The whole file; an empty map if it is empty. */
  readonly root: unknown;
  readonly #contents: Node | null;
  readonly #lines = new LineCounter();
  readonly #values: PlainValues;

  /** @throws Failure `usage` when it is not valid YAML. */
  constructor(text: string, problems: Problems) {
    const [document, another] = withoutStackTraces(() => {
      const options = { schema: 'failsafe', stringKeys: true, uniqueKeys: false, logLevel: 'error' } as const;
      const [first, second] = new Composer(options).compose(this.#tokens(text, problems), true, text.length);
      return [first, second];
    });
    for (const { message, pos } of errorsOf(document))
      problems.add(this.#positionAt(pos[0]), message + quotingHint(text, pos[0]));
    if (another !== undefined)
      problems.add(this.#positionAt(another.range[0]), 'a config is one YAML document: remove the ---');
    problems.throwIfAny();

    this.#contents = document?.contents ?? null;
    this.#values = new PlainValues((at, message) => problems.add(this.#position(at), message));
    this.root = this.#contents === null ? {} : this.#values.of(this.#contents);
    problems.throwIfAny();
  }

  /** The position of the value at `path`: a text itself, a map or a list at its key; a missing value at its parent. */
  positionOf(path: readonly PropertyKey[]): Position {
    return this.#position(this.#find(path).at);
  }

  /** The position of `key` in the map at `path`. */
  positionOfKey(path: readonly PropertyKey[], key: string): Position {
    const { node, at } = this.#find(path);
    const pair = isMap(node) ? this.#values.pairOf(node, key) : undefined;
    return this.#position(pair?.key ?? at);
  }

  /** The text at `path` as in the file, before any replacement; undefined if it is not a text. */
  sourceOf(path: readonly PropertyKey[]): string | undefined {
    const { node, depth } = this.#find(path);
    return isScalar(node) && depth === path.length ? node.source : undefined;
  }

  /** The deepest existing node along `path`, the node that marks its position, and its depth. */
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

  /** The parser's tokens, up to the maximum depth. */
  *#tokens(text: string, problems: Problems): Generator<CST.Token, void> {
    const parser = new Parser(this.#lines.addNewLine);
    this.#lines.addNewLine(0);
    for (const lexeme of new Lexer().lex(text)) {
      yield* parser.next(lexeme);
      if (parser.stack.length <= maxDepth) continue;
      problems.add(this.#positionAt(parser.offset), `nested more than ${maxDepth} levels deep`);
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

/** All warnings, but only the first error: the others are usually consequences of it. */
function errorsOf(document: Document.Parsed | undefined): YAMLError[] {
  const { errors = [], warnings = [] } = document ?? {};
  return [...errors.slice(0, 1), ...warnings];
}

/** The composer makes an error object for each fault of a file. Its stack trace takes more time than the rest, and nobody reads it. */
function withoutStackTraces<Result>(work: () => Result): Result {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** How far from an error its cause may be, in characters. The search takes quadratic time. */
const hintReach = 300;

/** A hint for a common mistake: in `[ ]` and `{ }`, YAML takes the braces of an unquoted reference as its own. */
function quotingHint(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  const line = text.slice(
    Math.max(start, offset - hintReach),
    Math.min(end === -1 ? text.length : end, offset + hintReach),
  );
  return /[[{,:]\s*[^\s'"#,]*\$\{/.test(line)
    ? ' (inside [ ] and { }, put quotes around a text with ${...})'
    : '';
}
