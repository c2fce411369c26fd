// An MCP server without a library: `fake.mjs modern|legacy FOLDER`. It does what real ones seldom do: it answers out of order, dies in
// the middle of a call, and writes lines that are no JSON. In the era `modern` (2026-07-28) every request has to describe itself.
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";

const [era, folder] = process.argv.slice(2);
const VERSION = "2026-07-28";
const text = { type: "string" };
const tool = (name, properties, description) => ({
  name,
  description,
  inputSchema: { type: "object", properties, required: Object.keys(properties), additionalProperties: false },
});
const TOOLS = [
  tool("read", { name: text }, "Reads a note."),
  tool("write", { name: text, text }, "Writes a note."),
  tool("delete", { name: text }, "Deletes a note."),
  tool("echo", { text, delay: { type: "integer", minimum: 0 } }, "Says it again after so many milliseconds."),
  tool("slow", {}, "Tells how far it is, then answers."),
  tool("die", {}, "Ends the server."),
  tool("hidden", {}, "Nobody approves it."),
];

const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const said = (words) => ({ content: [{ type: "text", text: words }] });

async function call(params) {
  const a = params.arguments ?? {};
  const file = () => path.join(folder, path.basename(a.name));
  switch (params.name) {
    case "read":
      return said(fs.readFileSync(file(), "utf8"));
    case "write":
      fs.writeFileSync(file(), a.text);
      return said("written");
    case "delete":
      fs.rmSync(file());
      return said("deleted");
    case "echo":
      await later(a.delay);
      return said(a.text);
    case "slow": {
      const token = params._meta?.progressToken;
      for (const progress of [1, 2, 3]) {
        if (token !== undefined) send({ method: "notifications/progress", params: { progressToken: token, progress, total: 3 } });
        await later(20);
      }
      return said("done");
    }
    case "die":
      process.exit(7);
  }
  throw { code: -32602, message: `no tool ${params.name}` };
}

async function answer({ method, params = {} }) {
  const whole = era === "modern" ? { resultType: "complete" } : {};
  const cacheable = era === "modern" ? { ttlMs: 60000, cacheScope: "public" } : {};
  if (era === "modern" && params._meta?.["io.modelcontextprotocol/protocolVersion"] !== VERSION)
    throw { code: -32022, message: "Unsupported protocol version", data: { supported: [VERSION], requested: null } };
  switch (method) {
    case "initialize":
      if (era === "modern") break;
      return { protocolVersion: "2025-11-25", capabilities: { tools: { listChanged: true } }, serverInfo: { name: "fake", version: "1" } };
    case "server/discover":
      if (era !== "modern") break;
      return {
        ...whole, ...cacheable, supportedVersions: [VERSION], capabilities: { tools: { listChanged: true } },
        _meta: { "io.modelcontextprotocol/serverInfo": { name: "fake", version: "1" } },
      };
    case "ping":
      if (era === "modern") break;
      return {};
    case "tools/list":
      // Two pages.
      return params.cursor === "rest"
        ? { ...whole, ...cacheable, tools: TOOLS.slice(4) }
        : { ...whole, ...cacheable, tools: TOOLS.slice(0, 4), nextCursor: "rest" };
    case "tools/call":
      return { ...whole, ...(await call(params)) };
  }
  throw { code: -32601, message: `no method ${method}` };
}

process.stdout.write("this line is no message\n");
readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const message = JSON.parse(line);
  if (message.id === undefined || message.method === undefined) return;
  try {
    send({ id: message.id, result: await answer(message) });
  } catch (error) {
    send({ id: message.id, error: { code: error.code ?? -32603, message: String(error.message), data: error.data } });
  }
});
process.stdin.on("end", () => process.exit(0));
