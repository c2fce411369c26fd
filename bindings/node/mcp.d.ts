import type { Guard } from './index.d.ts';

/**
 * Puts a guard before every tool that is registered from now on, of an `McpServer` of the TypeScript SDK, 1.x or 2.x.
 *
 * What is bound are the arguments that the handler gets, after schema and defaults. A call that is not allowed is an `isError` result
 * with `_meta["dev.actionpass/decision"]`: `{decision, codes, request?}`; one that waits for people may be made again. Where the guard asks
 * a service and the client opens pages (SDK 2.x, `elicitation.url`), the person there is led to the request's page once, and the call is decided on
 * again whatever the client answers: no answer of a client is an approval.
 * Handlers of `tools/call` that are set on the low-level server are not guarded.
 */
export function guardTools<Server extends { registerTool: (...of: any[]) => any }>(server: Server, guard: Guard): Server;

/**
 * Puts a guard before every call of a tool that a client of the SDK makes from now on, `client.callTool`. What is bound, and sent, are the
 * arguments before the defaults of the server. A call that is not allowed is not sent: its result is the one of `guardTools`.
 */
export function guardCalls<Client extends { callTool: (...of: any[]) => any }>(client: Client, guard: Guard): Client;
