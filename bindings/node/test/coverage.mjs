// Which lines of the package the tests ran, from what V8 wrote into the folder that NODE_V8_COVERAGE named for them.
//
//   node coverage.mjs FOLDER LEAST MODULE…
//   node coverage.mjs FOLDER LEAST - MODULE…
//
// Fails if of one of the modules, or of any but these, less than LEAST percent of the lines ran that have code. A line ran if in one process at least no range that
// never ran covers it.
import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [folder, least, ...named] = process.argv.slice(2);
const isJudged = (name) => named.includes(name) !== (named[0] === '-');
const library = fileURLToPath(new URL('../node_modules/actionpass/lib/', import.meta.url));

/** The lines of a module that have code, as ranges of its text. */
function linesOf(path) {
  const lines = [];
  let start = 0;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const code = line.trim();
    if (code !== '' && !/^(\/\/|\/\*|\*)/.test(code)) lines.push({ start: start + line.indexOf(code), end: start + line.indexOf(code) + code.length, ran: false });
    start += line.length + 1;
  }
  return lines;
}

const modules = new Map(readdirSync(library).filter(isJudged).map((name) => [join(library, name), linesOf(join(library, name))]));
for (const file of readdirSync(folder)) {
  for (const { url, functions } of JSON.parse(readFileSync(join(folder, file), 'utf8')).result) {
    const lines = url.startsWith('file:') ? modules.get(fileURLToPath(url)) : undefined;
    // Ranges are nested: the innermost one says how often something ran.
    const ranges = functions.flatMap((of) => of.ranges).sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
    for (const line of lines ?? []) {
      const innermost = ranges.filter(({ startOffset, endOffset }) => startOffset <= line.start && line.end <= endOffset).at(-1);
      if (innermost !== undefined && innermost.count > 0) line.ran = true;
    }
  }
}
let isEnough = modules.size > 0;
for (const [path, lines] of modules) {
  const percent = (100 * lines.filter(({ ran }) => ran).length) / lines.length;
  console.log(`${basename(path).padEnd(16)} ${percent.toFixed(1).padStart(6)} % of ${lines.length} lines`);
  if (percent < Number(least)) isEnough = false;
}
if (!isEnough) {
  console.log(`of a module less than ${least} % of the lines ran`);
  process.exitCode = 1;
}
