// Where the native module and the command of this platform are: in this package, if it was built for one machine, or else in the package of the
// platform, if the manifest names that. No name comes from an environment.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));

/** The folders that may have them. */
function* folders() {
  yield root;
  const { optionalDependencies = {} } = require('../package.json');
  for (const variant of ['', '-gnu', '-musl', '-msvc']) {
    const name = `@actionpass/${process.platform}-${process.arch}${variant}`;
    if (!Object.hasOwn(optionalDependencies, name)) continue;
    try {
      yield dirname(require.resolve(`${name}/package.json`));
    } catch {
      // npm left it out: it is for another libc.
    }
  }
}

/** The path of a file of this platform; where there is none, the one that it would have here. */
export function fileOf(name) {
  for (const folder of folders()) {
    const path = join(folder, name);
    if (existsSync(path)) return path;
  }
  return join(root, name);
}
