// The executor's side in WebAssembly, in the place of the native module: `bindings/wasm` says how it is asked. What it hasn't throws
// `native_module_missing` once it is used.

const MISSING = 0xffff_ffff;

/** An error as the native module throws it. */
function thrown(code, message) {
  return new Error(JSON.stringify({ code, codes: [code], message }));
}

function refuse() {
  throw thrown('native_module_missing', 'there is no native module for this platform: in WebAssembly passes are verified and payloads hashed, and nothing else');
}

/** A function, a class, and whatever is looked for in it: all of them refuse. */
const missing = new Proxy(function () {}, { apply: refuse, construct: refuse, get: () => missing });

/** What the standard library of Rust asks of its surroundings: the time and randomness. There are no files and no environment. */
function surroundings(memory) {
  const view = () => new DataView(memory().buffer);
  const [SUCCESS, NO_SUCH_FILE] = [0, 8];
  const known = {
    clock_time_get(_clock, _precision, at) {
      view().setBigUint64(at, BigInt(Date.now()) * 1_000_000n, true);
      return SUCCESS;
    },
    random_get(at, length) {
      globalThis.crypto.getRandomValues(new Uint8Array(memory().buffer, at, length));
      return SUCCESS;
    },
    environ_sizes_get(count, size) {
      view().setUint32(count, 0, true);
      view().setUint32(size, 0, true);
      return SUCCESS;
    },
    environ_get: () => SUCCESS,
    proc_exit() {
      throw new Error('it ended');
    },
  };
  return new Proxy(known, { get: (_, name) => known[name] ?? (() => NO_SUCH_FILE) });
}

class Module {
  #module;
  #exports;

  constructor(bytes) {
    this.#module = new WebAssembly.Module(bytes);
  }

  #running() {
    if (this.#exports === undefined) {
      let memory;
      const wasi = surroundings(() => memory);
      const needed = WebAssembly.Module.imports(this.#module).map(({ name }) => [name, wasi[name]]);
      const { exports } = new WebAssembly.Instance(this.#module, { wasi_snapshot_preview1: Object.fromEntries(needed) });
      memory = exports.memory;
      exports._initialize?.();
      this.#exports = exports;
    }
    return this.#exports;
  }

  /** The answer to a question: a text, or the error that it threw. */
  ask(...parts) {
    const encoded = parts.map((part) => (typeof part === 'string' ? new TextEncoder().encode(part) : part));
    const length = encoded.reduce((sum, part) => sum + 4 + (part?.length ?? 0), 0);
    let told;
    try {
      const { memory, room, ask, answer } = this.#running();
      const start = room(length) >>> 0;
      const view = new DataView(memory.buffer, start, length);
      let at = 0;
      for (const part of encoded) {
        view.setUint32(at, part?.length ?? MISSING, true);
        new Uint8Array(memory.buffer, start + at + 4, part?.length ?? 0).set(part ?? []);
        at += 4 + (part?.length ?? 0);
      }
      const size = ask() >>> 0;
      told = new TextDecoder().decode(new Uint8Array(memory.buffer, answer() >>> 0, size));
    } catch (error) {
      // What trapped isn't asked again.
      this.#exports = undefined;
      throw thrown('binding_failed', `the module in WebAssembly stopped: ${error.message}`);
    }
    if (told.startsWith('+')) return told.slice(1);
    throw new Error(told.slice(1));
  }
}

/** What the native module exports, of this one. */
export function fallback(bytes) {
  const module = new Module(bytes);

  class NativeTrust {
    #text;

    constructor(text) {
      this.#text = text;
    }

    static parse(raw) {
      return new NativeTrust(module.ask('trustParse', raw));
    }

    static of(keys) {
      return new NativeTrust(module.ask('trustOf', keys));
    }

    static watch() {
      return refuse();
    }

    version() {
      return JSON.parse(this.#text).version;
    }

    toJSONText() {
      return this.#text;
    }
  }

  class NativeVerifier {
    #options;
    #trust;

    constructor(options, trust) {
      this.#options = options;
      this.#trust = trust.toJSONText();
      module.ask('accepts', this.#options, this.#trust);
    }

    verify(token, head, raw) {
      return module.ask('verify', this.#options, this.#trust, token, head, raw);
    }

    async consume() {
      return refuse();
    }
  }

  const native = {
    NativeTrust,
    NativeVerifier,
    hash: (raw) => module.ask('hash', raw),
    canonicalize: (raw) => module.ask('canonicalize', raw),
    demoAction: () => module.ask('demoAction'),
    verifyActionPass: (token, raw, key, options) => module.ask('verifyActionPass', token, raw, key, options),
  };
  return new Proxy(native, { get: (_, name) => native[name] ?? missing });
}
