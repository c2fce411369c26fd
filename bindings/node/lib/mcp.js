// A guard before the tools of an MCP server written with the TypeScript SDK, 1.x or 2.x.
import { ActionPassError, wrongArgument } from './error.js';
import { NotAllowedError } from './guard.js';

/** What a client is told of a call that was not made. */
function refusal(error) {
  const { authorization } = error;
  const decision = {
    decision: authorization?.decision.decision ?? 'error',
    codes: error.codes,
    ...(authorization?.request && { request: authorization.request }),
  };
  const text =
    decision.decision === 'step_up'
      ? `This call waits for a person's approval (${error.codes.join(', ')}). Call again with the same arguments once it is there.`
      : `This call is not allowed (${error.codes.join(', ')}).`;
  return { isError: true, content: [{ type: 'text', text }], _meta: { 'dev.actionpass/decision': decision } };
}

/** A handler that runs under a decision: it gets the arguments that were approved. */
function guarded(name, guard, handler) {
  if (typeof handler !== 'function') throw wrongArgument(name, 'its handler is no function');
  return async (...given) => {
    // A tool without a schema has no arguments: its handler gets what goes with the request alone.
    const [args, extra] = given.length > 1 ? given : [undefined, given[0]];
    let ran = false;
    try {
      return await guard({ tool: name, payload: args ?? {} }, (payload) => {
        ran = true;
        return args === undefined ? handler(extra) : handler(payload, extra);
      });
    } catch (error) {
      // What a handler throws is the handler's.
      if (ran || !(error instanceof ActionPassError || error instanceof NotAllowedError)) throw error;
      return refusal(error);
    }
  };
}

/** Puts a guard before every tool that is registered from now on, and gives the server back. */
export function guardTools(server, guard) {
  if (typeof server?.registerTool !== 'function') throw wrongArgument('server', 'it is no McpServer');
  if (typeof guard !== 'function') throw wrongArgument('guard', 'it is no guard');
  if (Object.keys(server._registeredTools ?? {}).length > 0) {
    throw wrongArgument('server', 'it has tools already, which nothing would guard: guard it first');
  }
  for (const method of ['registerTool', 'tool']) {
    const register = server[method];
    if (typeof register !== 'function') continue;
    server[method] = function (name, ...rest) {
      const handler = rest.pop();
      const registered = register.call(this, name, ...rest, guarded(name, guard, handler));
      const { update } = registered;
      registered.update = function (changes) {
        const { callback } = changes;
        // A tool that is renamed keeps the name that policy knows.
        return update.call(this, callback === undefined ? changes : { ...changes, callback: guarded(name, guard, callback) });
      };
      return registered;
    };
  }
  return server;
}
