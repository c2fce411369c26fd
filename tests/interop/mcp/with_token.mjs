// Preloaded before a client that has no option for a token: every request of the process brings the one in TOKEN.
import { createRequire } from "node:module";

const { Agent, setGlobalDispatcher } = createRequire(process.argv[1])("undici");
const authorization = `Bearer ${process.env.TOKEN}`;
function withToken(headers) {
  if (Array.isArray(headers)) return [...headers, "authorization", authorization];
  if (headers && typeof headers[Symbol.iterator] === "function") return [...[...headers].flat(), "authorization", authorization];
  return { ...headers, authorization };
}
setGlobalDispatcher(
  new Agent().compose((dispatch) => (options, handler) => dispatch({ ...options, headers: withToken(options.headers) }, handler)),
);
