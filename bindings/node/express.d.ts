import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Executor, VerifiedPass } from './index.d.ts';

export interface ExecutedRequest extends IncomingMessage {
  /** The payload that was approved. */
  body?: any;
  actionPass?: VerifiedPass;
}

/**
 * Middleware that uses a request's pass up for the call that it is. The payload is the raw body: duplicate members in it are refused,
 * and `request.body` is what was approved. It stands before `express.json()`, or behind `express.raw()`.
 *
 * What isn't permitted gets 403, no pass 401, as a problem document (RFC 9457) with `code` and `codes`.
 */
export function execute(options: {
  readonly executor: Executor;
  /** Which call the request is: tool and resource as the executor knows them. */
  readonly call: (request: any) => { readonly tool: string; readonly resource: string; readonly agent?: string; readonly task?: string };
  /** Where the pass is; the header `ActionPass` unless it is set. */
  readonly token?: (request: any) => string | undefined;
  /** The largest body, in bytes; 1 MiB unless it is set. */
  readonly limit?: number;
}): (request: any, response: any, next: (error?: unknown) => void) => Promise<void>;
