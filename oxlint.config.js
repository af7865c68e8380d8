import { defineConfig } from 'oxlint';

/**
 * The layers, from the top to the bottom. A folder of src/ imports only from itself and from folders below it, and the
 * reason says what keeps it there. `probes` is the folder beside src/.
 */
const layers = [
  ['programs', 'Each file here is a process: nothing imports a program.'],
  ['cli', 'The grammar of the command line: it loads commands, and no command knows how it was typed.'],
  ['library', 'The library for tests starts the command in a process of its own.'],
  ['commands', 'A command uses the layers below; only the grammar knows commands.'],
  ['pool', 'Nodes that are ready before anybody asks: a command takes one, or launches its own.'],
  ['launcher', 'From a command to a running supervisor: below it, nothing starts a node.'],
  ['supervisor', 'What runs as long as a node does. It does not know who launched it.'],
  ['smoke', 'The smoke test uses a cluster through its API, whoever made it.'],
  ['observe', 'What people see of a node is made from events and files, never from what emits them.'],
  [
    'kubernetes',
    'The node is a list of components: it knows components, probes and the config, not who runs them.',
  ],
  ['helper', 'The helper process uses a cluster through its API; it does not know the node around it.'],
  ['sandbox', 'The sandbox knows nothing of what runs in it.'],
  ['instance', 'One node at a time on its folders, whatever the node is.'],
  ['control', 'The control socket carries events and requests; what they mean is decided above.'],
  ['host', 'What a machine is and what is prepared on it, whoever asks.'],
  ['install', 'Finds and installs binaries; it knows nothing of the node that uses them.'],
  ['import', 'Translates configs of other tools to text.'],
  ['config', 'The config describes; it does not run anything.'],
  ['engine', 'The orchestrator knows components and probes, not Kubernetes.'],
  ['lib', 'Leaves: everything may import them.'],
  ['probes', 'A probe knows nothing of the program that uses it.'],
];

/** Folders of one layer that do not know each other, although they share a level. */
const engine = [
  {
    files: ['src/engine/component.ts'],
    pattern: '^\\.\\.?/(?!\\.\\./probes/)',
    message: 'The core types know probes and nothing else.',
  },
  {
    files: ['src/engine/graph.ts'],
    pattern: '(supervise/|startGraph)',
    message: 'The graph knows components, not how they run.',
  },
  {
    files: ['src/engine/supervise/**'],
    pattern: '/(graph|startGraph)\\.ts$',
    message: 'Supervision knows one component and its probes, not the graph.',
  },
];

const noSleep = 'No fixed sleep anywhere: every wait is a probe with a reason (probes/until.ts).';
const timerModules = ['node:timers/promises', 'node:timers'].map((name) => ({ name, message: noSleep }));

/** An override of `no-restricted-imports` replaces the one before it, so each names all that is forbidden. */
function imports(patterns, paths = timerModules) {
  return { 'no-restricted-imports': ['error', { paths, patterns }] };
}

/** What lies above a layer, as relative imports name it. */
function above(index) {
  const names = layers.slice(0, index).map(([name]) => name);
  const [layer, message] = layers[index];
  const regex = layer === 'probes' ? '^(\\.\\./)+src/' : `^(\\.\\./)+(${names.join('|')})/`;
  return names.length === 0 ? [] : [{ regex, message: `src/${layer}: ${message}` }];
}

const layerRules = layers.map(([layer], index) => ({
  files: [layer === 'probes' ? 'probes/**' : `src/${layer}/**`],
  rules: imports(above(index), layer === 'probes' ? [] : timerModules),
}));

const indexOfEngine = layers.findIndex(([layer]) => layer === 'engine');
const engineRules = engine.map(({ files, pattern, message }) => ({
  files,
  rules: imports([...above(indexOfEngine), { regex: pattern, message }]),
}));

export default defineConfig({
  plugins: ['typescript', 'unicorn', 'import', 'promise', 'node', 'oxc'],
  categories: { correctness: 'error', suspicious: 'error', perf: 'error' },
  rules: {
    'no-await-in-loop': 'off',
    'no-underscore-dangle': 'off',
    'unicorn/no-array-sort': 'off',
    'import/no-unassigned-import': 'off',
    'promise/always-return': 'off',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/consistent-return': 'off',
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'no-restricted-globals': [
      'error',
      { name: 'setTimeout', message: noSleep },
      { name: 'setInterval', message: 'No polling outside probes/: use until or watch.' },
      { name: 'setImmediate', message: 'No polling outside probes/: use until or watch.' },
    ],
    ...imports([]),
  },
  overrides: [
    ...layerRules,
    ...engineRules,
    { files: ['probes/**'], rules: { 'no-restricted-globals': 'off' } },
    // The simulated clock takes their place.
    { files: ['test/engine/simulation/**'], rules: { 'no-restricted-globals': 'off' } },
    {
      files: ['test/**'],
      rules: {
        'typescript/no-unsafe-type-assertion': 'off',
        'unicorn/consistent-function-scoping': 'off',
      },
    },
  ],
});
