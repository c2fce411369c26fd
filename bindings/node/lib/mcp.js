// Guards before the tools of an MCP server, and before the calls of an MCP client, written with the TypeScript SDK, 1.x or 2.x.
import { ActionPassError, wrongArgument } from './error.js';

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

/** Does something under a decision, and tells the client where there is none. What is thrown once it runs is its own. */
async function decided(guard, call, execute, refuse = refusal) {
  let ran = false;
  try {
    return await guard(call, (payload) => {
      ran = true;
      return execute(payload);
    });
  } catch (error) {
    if (ran || !(error instanceof ActionPassError)) throw error;
    return refuse(error);
  }
}

const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

/** What SDK 2.x makes a question to the person at the client of; it asks once, and the call is decided on again then. */
function questionFor(server, extra, error) {
  const { review } = error.authorization?.request ?? {};
  const request = extra?.mcpReq;
  if (review === undefined || request === undefined || request.inputResponses !== undefined) return undefined;
  const declared = request.envelope?.[CAPABILITIES] ?? server.server.getClientCapabilities();
  if (declared?.elicitation?.url === undefined) return undefined;
  const params = { mode: 'url', message: 'This call waits for the approval of a person. The page shows what it would do.', url: review };
  return { resultType: 'input_required', inputRequests: { approval: { method: 'elicitation/create', params } } };
}

/** A handler that runs under a decision: it gets the arguments that were approved. */
function guarded(server, name, guard, handler) {
  if (typeof handler !== 'function') throw wrongArgument(name, 'its handler is no function');
  return async (...given) => {
    // A tool without a schema has no arguments: its handler gets what goes with the request alone.
    const [args, extra] = given.length > 1 ? given : [undefined, given[0]];
    return decided(
      guard,
      { tool: name, payload: args ?? {} },
      (payload) => (args === undefined ? handler(extra) : handler(payload, extra)),
      (error) => questionFor(server, extra, error) ?? refusal(error),
    );
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
      const registered = register.call(this, name, ...rest, guarded(server, name, guard, handler));
      const { update } = registered;
      registered.update = function (changes) {
        const { callback } = changes;
        // A tool that is renamed keeps the name that policy knows.
        return update.call(this, callback === undefined ? changes : { ...changes, callback: guarded(server, name, guard, callback) });
      };
      return registered;
    };
  }
  return server;
}

/** Puts a guard before every call of a tool that a client makes from now on, and gives the client back. */
export function guardCalls(client, guard) {
  if (typeof client?.callTool !== 'function') throw wrongArgument('client', 'it is no Client');
  if (typeof guard !== 'function') throw wrongArgument('guard', 'it is no guard');
  const { callTool } = client;
  client.callTool = async function ({ name, arguments: args = {}, ...rest }, ...more) {
    return decided(guard, { tool: name, payload: args }, (payload) =>
      callTool.call(this, { ...rest, name, arguments: payload }, ...more),
    );
  };
  return client;
}
