import { existsSync } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { recordUndo, rollBack } from '../../src/host/undoJournal.ts';
import { tempDir } from '../support/cli.ts';

test('a record of which only a part could be written does not hide the next one', async () => {
  const run = await tempDir('journal');
  const made = ['a', 'b'].map((name) => join(run, name));
  for (const path of made) await writeFile(path, '');
  await recordUndo(run, { kind: 'file', path: made[0]! });
  await appendFile(join(run, 'undo.journal'), '\n{"kind":"fi');
  await recordUndo(run, { kind: 'file', path: made[1]! });
  await rollBack(run);
  expect(made.filter((path) => existsSync(path))).toEqual([]);
});
