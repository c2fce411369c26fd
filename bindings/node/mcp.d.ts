import type { Guard } from './index.d.ts';

/**
 * Puts a guard before every tool that is registered from now on, of an `McpServer` of the TypeScript SDK, 1.x or 2.x.
 *
 * What is bound are the arguments that the handler gets, after schema and defaults. A call that is not allowed is an `isError` result
 * with `_meta["dev.actionpass/decision"]`: `{decision, codes, request?}`; one that waits for people may be made again.
 * Handlers of `tools/call` that are set on the low-level server are not guarded.
 */
export function guardTools<Server extends { registerTool: (...of: any[]) => any }>(server: Server, guard: Guard): Server;
