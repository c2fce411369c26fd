// An executor before a handler of Express: it binds the body as it was received, which `express.json()` has changed by then.
import { ActionPassError, failure, wrongArgument } from './error.js';
import { optionsFrom } from './json.js';
import { Executor } from './verifier.js';

/** What the gate admits at most. */
const MAX_BYTES = 1024 * 1024;

/** The body as it was received: of `express.raw()`, or read here. */
async function bodyOf(request, limit) {
  if (request.body instanceof Uint8Array) return request.body;
  if (request.body !== undefined || request.readableEnded) {
    throw wrongArgument('body', 'it was parsed before: put the executor before `express.json()`, or behind `express.raw()`');
  }
  if (request.headers['content-encoding'] !== undefined) {
    throw failure('size_exceeded', 'a body with a content-encoding is not taken');
  }
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > limit) throw failure('size_exceeded', `the body is larger than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The answer to a request that is not executed, as RFC 9457 has it. */
function problem(response, status, error) {
  const { code, codes, offset, path } = error;
  const title = status === 401 ? 'A pass is missing' : status === 500 ? 'The executor failed' : 'The pass does not permit this call';
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ title, status, code, codes, offset, path }));
}

/** The token of `ActionPass: TOKEN`. */
function tokenOf(request) {
  return request.get('actionpass');
}

/**
 * Uses a request's pass up for the call that it is, and hands the approved payload on as `request.body`, the pass as
 * `request.actionPass`.
 */
export function execute(options) {
  const { executor, call, token = tokenOf, limit = MAX_BYTES } = optionsFrom(options, ['executor', 'call', 'token', 'limit']);
  if (!(executor instanceof Executor)) throw wrongArgument('executor', 'it is no Executor');
  if (typeof call !== 'function') throw wrongArgument('call', 'it is no function');
  return async (request, response, next) => {
    try {
      const payload = await bodyOf(request, limit);
      const pass = token(request);
      if (typeof pass !== 'string' || pass === '') {
        problem(response, 401, failure('token_malformed', 'there is no pass'));
        return;
      }
      const verified = await executor.consume(pass, { ...call(request), payload });
      request.body = verified.payload;
      request.actionPass = verified;
    } catch (error) {
      if (!(error instanceof ActionPassError)) {
        next(error);
        return;
      }
      // A program that is put together wrongly, not a request that is refused.
      problem(response, error.code === 'argument_invalid' ? 500 : 403, error);
      return;
    }
    next();
  };
}
