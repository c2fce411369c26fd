/** What every failure of the library is. */
export class ActionPassError extends Error {
  constructor({ code, codes, message, offset, path }, options) {
    super(`${message} [${codes.join(', ')}]`, options);
    this.name = 'ActionPassError';
    this.code = code;
    this.codes = Object.freeze([...codes]);
    if (offset !== undefined) this.offset = offset;
    if (path !== undefined) this.path = path;
  }
}

/** An error of the wrapper itself. */
export function failure(code, message, path) {
  return new ActionPassError({ code, codes: [code], message, path });
}

/** An argument that is none. */
export function wrongArgument(path, problem) {
  return failure('argument_invalid', path === '' ? problem : `\`${path}\`: ${problem}`, path === '' ? undefined : path);
}

/** What the native half threw: its message is the JSON of the error. */
export function ofNative(error) {
  let told;
  try {
    told = JSON.parse(error.message);
  } catch {
    // Not ours: napi refuses a value of the wrong type itself.
    return new ActionPassError({ code: 'argument_invalid', codes: ['argument_invalid'], message: error.message }, { cause: error });
  }
  return new ActionPassError(told);
}

/** Calls the native half. */
export function call(work) {
  try {
    return work();
  } catch (error) {
    throw ofNative(error);
  }
}

/** The same for what is waited for. */
export async function wait(work) {
  try {
    return await work();
  } catch (error) {
    throw ofNative(error);
  }
}
