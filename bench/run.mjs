// node bench/run.mjs [ROUNDS]: from the start of `k8s-single run -- kubectl get nodes` to its exit, and the parts of it.
// Prints the medians of the rounds (default 5) in ms, and every round, as JSON. Needs root and the build.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../dist/src/main.js', import.meta.url));
const rounds = Number(process.argv[2] ?? 5);

/** What `run` says of itself at its end: `ready after 7.9 s, the command took 0.2 s (exit code 0), gone after 0.4 s`. */
const told = /ready after ([\d.]+) s, the command took ([\d.]+) s .*gone after ([\d.]+) s/;

function round() {
  const began = performance.now();
  const args = [main, 'run', '--', 'kubectl', 'get', 'nodes'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  const total = Math.round(performance.now() - began);
  const times = told.exec(stderr);
  if (status !== 0 || times === null) throw new Error(`run exited with ${status}:\n${stderr}`);
  const [ready, command, gone] = times.slice(1).map((seconds) => Math.round(Number(seconds) * 1000));
  return { total, ready, command, gone };
}

/** Of an even number of values the mean of the two in the middle. */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

const all = Array.from({ length: rounds }, round);
const keys = ['total', 'ready', 'command', 'gone'];
const medians = Object.fromEntries(keys.map((key) => [key, median(all.map((each) => each[key]))]));
console.log(
  JSON.stringify({ what: 'run -- kubectl get nodes', unit: 'ms', medians, rounds: all }, undefined, 2),
);
