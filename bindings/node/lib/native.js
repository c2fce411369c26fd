// The native module, built for one platform and nothing else: no download, and no name that an environment can set.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const path = fileURLToPath(new URL('../actionpass.node', import.meta.url));

function load() {
  try {
    return createRequire(import.meta.url)(path);
  } catch (cause) {
    const here = `${process.platform}-${process.arch}, Node ${process.versions.node}`;
    throw new Error(`actionpass has no native module for this platform (${here})`, { cause });
  }
}

export const native = load();
