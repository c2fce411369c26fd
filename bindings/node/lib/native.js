// The native module, built for one platform, or else the one in WebAssembly, which verifies and hashes. No download, and no name that an
// environment can set.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { fallback } from './wasm.js';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

function load() {
  const here = `this platform (${process.platform}-${process.arch}, Node ${process.versions.node})`;
  let cause;
  try {
    return createRequire(import.meta.url)(path('actionpass.node'));
  } catch (error) {
    cause = error;
  }
  let bytes;
  try {
    bytes = readFileSync(path('actionpass.wasm'));
  } catch {
    throw new Error(`actionpass has no native module for ${here}`, { cause });
  }
  process.emitWarning(`actionpass has no native module for ${here}: in WebAssembly it verifies passes and hashes, and nothing else`, {
    type: 'ActionPassWarning',
    code: 'ACTIONPASS_WASM',
    detail: String(cause.message),
  });
  return fallback(bytes);
}

export const native = load();
