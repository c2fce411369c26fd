import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fileBeside } from './help.mjs';

test('the example of the how-to prints what its comments say', async () => {
  const [, example] = /```js\n([\s\S]*?)```/.exec(fileBeside('node.md'));
  const promised = [...example.matchAll(/console\.log\(.*\/\/ (\S+)$/gm)].map(([, word]) => word);
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', example], { cwd, timeout: 20_000 });
  const { stdout } = await run;
  assert.deepEqual(stdout.trim().split('\n'), promised);
  assert.equal(promised.length, 3);
});
