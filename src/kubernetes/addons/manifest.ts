import { createHash } from 'node:crypto';
import { LineCounter, isCollection, isNode, parseAllDocuments } from 'yaml';
import type { Document, ScalarTag, Tags } from 'yaml';
import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { reasonOf } from '../../lib/errors.ts';

// Loaded by a process of its own: the YAML parser needs 100 bytes of memory for each byte of a large manifest, and blocks its
// process for a second for each megabyte.

/** One object of a manifest. */
export interface ManifestObject {
  /** Where it begins in its file, from 1; 0 for an object that is in no file. */
  readonly line: number;
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty if it names none. */
  readonly namespace: string;
  readonly name: string;
  /** Changes with the content. */
  readonly hash: string;
  /** The whole object. */
  readonly json: string;
}

/** A manifest that cannot be used, and why, with the line. */
class ManifestError extends Error {
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
  }
}

/** What the API server sets: in a manifest that was saved from a cluster, it would be refused, or is of another object. */
const serverFields: ReadonlySet<string> = new Set([
  'creationTimestamp',
  'generation',
  'managedFields',
  'resourceVersion',
  'selfLink',
  'uid',
]);

/**
 * The objects of a YAML or JSON text, as kubectl reads it: YAML 1.1, in which 0644 is octal, but without times, sets, binary
 * values and booleans of one letter. Lists are resolved to their items.
 * @throws ManifestError for the first error
 */
export function parseManifest(text: string): ManifestObject[] {
  const lines = new LineCounter();
  const lineAt = (offset = 0): number => Math.max(1, lines.linePos(offset).line);
  const documents = parseAllDocuments(text, {
    version: '1.1',
    customTags: withoutTimes,
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const found: ManifestObject[] = [];
  const seen = new Map<string, number>();
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined) throw new ManifestError(lineAt(error.pos[0]), `not YAML: ${error.message}`);
    for (const { value, line } of objectsIn(document, lineAt)) {
      const object = manifestObject(value, line);
      const key = [object.apiVersion, object.kind, object.namespace, object.name].join(' ');
      const other = seen.get(key);
      if (other !== undefined)
        throw new ManifestError(line, `${object.kind} ${object.name} is already in line ${other}`);
      seen.set(key, line);
      found.push(object);
    }
  }
  // An empty file is one that is being written, or a mistake: it must not remove all that was in it.
  if (found.length === 0)
    throw new ManifestError(1, 'there is no object; to remove an addon, remove its file or entry');
  return found;
}

const trueWord = /^(?:[Yy]es|YES|[Tt]rue|TRUE|[Oo]n|ON)$/;
const falseWord = /^(?:[Nn]o|NO|[Ff]alse|FALSE|[Oo]ff|OFF)$/;

function withoutTimes(tags: Tags): Tags {
  const names = ['timestamp', 'binary', 'omap', 'pairs', 'set'];
  const left = new Set(names.map((name) => `tag:yaml.org,2002:${name}`));
  return tags
    .filter((tag) => typeof tag === 'string' || (tag.format !== 'TIME' && !left.has(tag.tag)))
    .map((tag) => (isBoolean(tag) ? withoutLetters(tag) : tag));
}

function isBoolean(tag: Tags[number]): tag is ScalarTag {
  return typeof tag !== 'string' && tag.tag === 'tag:yaml.org,2002:bool' && tag.collection === undefined;
}

/** Not a single letter: a panel's `y: 0` is no `true: 0`. */
function withoutLetters(tag: ScalarTag): ScalarTag {
  return { ...tag, test: tag.test?.test('true') === true ? trueWord : falseWord };
}

interface Located {
  readonly value: unknown;
  readonly line: number;
}

/** The objects of a document, each with its line: none if it is empty. */
function objectsIn(document: Document.Parsed, lineAt: (offset?: number) => number): Located[] {
  const { contents } = document;
  if (contents === null) return [];
  const line = lineAt(contents.range[0]);
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // An alias that expands to too much, or to itself.
    throw new ManifestError(line, reasonOf(error));
  }
  if (value === null) return [];
  if (!textAt(value, 'kind').endsWith('List') || !Array.isArray(at(value, 'items'))) return [{ value, line }];
  return listAt(value, 'items').map((item, index) => {
    const node = isCollection(contents) ? contents.getIn(['items', index], true) : undefined;
    return { value: item, line: isNode(node) ? lineAt(node.range?.[0]) : line };
  });
}

function manifestObject(value: unknown, line: number): ManifestObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ManifestError(line, 'not an object of Kubernetes: a map with apiVersion, kind and metadata');
  const [apiVersion, kind] = [textAt(value, 'apiVersion'), textAt(value, 'kind')];
  const metadata = at(value, 'metadata');
  const name = textAt(metadata, 'name');
  if (apiVersion === '') throw new ManifestError(line, 'the object has no apiVersion');
  if (kind === '') throw new ManifestError(line, 'the object has no kind');
  if (name === '') throw new ManifestError(line, `${kind} has no metadata.name, by which it is found again`);
  const kept = Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => !serverFields.has(key)));
  fillProtocols(value, kind);
  const json = JSON.stringify({ ...value, metadata: kept });
  const hash = createHash('sha256').update(json).digest('hex').slice(0, 16);
  return { line, apiVersion, kind, namespace: textAt(metadata, 'namespace'), name, hash, json };
}

/**
 * Sets the protocol of each port that has none. It is a part of the port's key, whose default is unknown to server-side apply up
 * to Kubernetes 1.20: there such a manifest would be refused.
 */
function fillProtocols(value: object, kind: string): void {
  const spec = at(value, 'spec');
  const pod =
    kind === 'Pod'
      ? spec
      : (at(spec, 'template', 'spec') ?? at(spec, 'jobTemplate', 'spec', 'template', 'spec'));
  const containers = ['containers', 'initContainers'].flatMap((key) => listAt(pod, key));
  const owners = kind === 'Service' ? [spec] : containers;
  for (const port of owners.flatMap((owner) => listAt(owner, 'ports')))
    if (typeof port === 'object' && port !== null && at(port, 'protocol') === undefined)
      Object.assign(port, { protocol: 'TCP' });
}
