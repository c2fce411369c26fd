// Drives a server with the TypeScript SDKs: one step a line on standard input, one answer a line on standard output.
//
// The argument is JSON: `{sdk: 1, elicitation?: "form"|"url"}` or `{sdk: 2, mode: "legacy"|"auto"|{pin: VERSION}, elicitation?}`, with
// `command: [WORDS]` or `url` and `headers`. Steps: `{op: "list"}`, `{op: "call", tool, arguments}`, `{op: "begin", key, tool, arguments}`,
// `{op: "cancel", key}`, `{op: "await", key}`, `{op: "all", calls: [[TOOL, ARGUMENTS]…]}`, `{op: "seen"}` (elicitations and progress).
import readline from "node:readline";

const options = JSON.parse(process.argv[2]);
const sdk = options.sdk === 1
  ? { ...(await import("@modelcontextprotocol/sdk/client/index.js")), ...(await import("@modelcontextprotocol/sdk/client/stdio.js")),
      ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")), ...(await import("@modelcontextprotocol/sdk/types.js")) }
  : { ...(await import("@modelcontextprotocol/client")), ...(await import("@modelcontextprotocol/client/stdio")) };

const seen = { elicitations: [], progress: 0 };
const elicitation = options.elicitation && { [options.elicitation]: {} };
const client = new sdk.Client(
  { name: "driver", version: "1" },
  { capabilities: elicitation ? { elicitation } : {}, ...(options.sdk === 2 && { versionNegotiation: { mode: options.mode } }) },
);
if (elicitation) {
  // Whatever it is told, it says yes: no answer of a client may be an approval.
  const yes = async (request) => {
    seen.elicitations.push(request.params);
    return request.params.mode === "url" ? { action: "accept" } : { action: "accept", content: {} };
  };
  client.setRequestHandler(options.sdk === 1 ? sdk.ElicitRequestSchema : "elicitation/create", yes);
}
const transport = options.url
  ? new sdk.StreamableHTTPClientTransport(new URL(options.url), { requestInit: { headers: options.headers ?? {} } })
  : new sdk.StdioClientTransport({ command: options.command[0], args: options.command.slice(1), env: process.env, stderr: "inherit" });
await client.connect(transport);

const running = new Map();
async function call(tool, args, signal) {
  const more = { timeout: 60000, signal, onprogress: () => { seen.progress += 1; }, resetTimeoutOnProgress: true };
  const params = { name: tool, arguments: args };
  try {
    return { result: await (options.sdk === 1 ? client.callTool(params, undefined, more) : client.callTool(params, more)) };
  } catch (error) {
    return { error: { code: error.code ?? null, message: String(error.message), data: error.data ?? null } };
  }
}

async function step({ op, key, tool, arguments: args, calls }) {
  switch (op) {
    case "list": {
      const all = [];
      let cursor;
      do {
        const page = await client.listTools(cursor ? { cursor } : undefined);
        all.push(...page.tools);
        cursor = page.nextCursor;
      } while (cursor);
      return { tools: all };
    }
    case "call":
      return call(tool, args);
    case "begin": {
      const abort = new AbortController();
      running.set(key, { abort, answer: call(tool, args, abort.signal) });
      return {};
    }
    case "cancel":
      running.get(key).abort.abort("the test changed its mind");
      return {};
    case "await":
      return running.get(key).answer;
    case "all":
      return { answers: await Promise.all(calls.map(([tool, args]) => call(tool, args))) };
    case "seen":
      return seen;
  }
  throw new Error(`no step ${op}`);
}

// One step after the other: a call that is to run beside others is begun and awaited.
for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await step(JSON.parse(line));
  } catch (error) {
    answer = { failed: String(error.stack) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await client.close();
process.exit(0);
