// The native module, built for one platform, or else the one in WebAssembly, which verifies and hashes. Nothing is downloaded.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileOf } from './platform.js';
import { fallback } from './wasm.js';

function load() {
  const here = `this platform (${process.platform}-${process.arch}, Node ${process.versions.node})`;
  let cause;
  try {
    return createRequire(import.meta.url)(fileOf('actionpass.node'));
  } catch (error) {
    cause = error;
  }
  let bytes;
  try {
    bytes = readFileSync(fileOf('actionpass.wasm'));
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
