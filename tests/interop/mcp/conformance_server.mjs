// A server that has what the conformance suite asks for: `conformance_server.mjs stdio`, or `http`, which prints its URL.
import { randomUUID } from "node:crypto";
import http from "node:http";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const WAV = Buffer.concat([Buffer.from("RIFF"), Buffer.from([36, 0, 0, 0]), Buffer.from("WAVEfmt "), Buffer.alloc(24), Buffer.from("data"), Buffer.alloc(4)]).toString("base64");
const text = (words) => ({ type: "text", text: words });
const image = { type: "image", data: PNG, mimeType: "image/png" };
const embedded = (uri, mimeType, words) => ({ type: "resource", resource: { uri, mimeType, text: words } });
const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const string = { type: "string" };

const defaults = {
  name: { type: "string", default: "John Doe" },
  age: { type: "integer", default: 30 },
  score: { type: "number", default: 95.5 },
  status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
  verified: { type: "boolean", default: true },
};
const options = ["option1", "option2", "option3"];
const titled = ["value1", "value2", "value3"].map((value, index) => ({ const: value, title: `Choice ${index + 1}` }));
const enums = {
  untitledSingle: { type: "string", enum: options },
  titledSingle: { type: "string", oneOf: titled },
  legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["Choice 1", "Choice 2", "Choice 3"] },
  untitledMulti: { type: "array", items: { type: "string", enum: options } },
  titledMulti: { type: "array", items: { anyOf: titled } },
};

async function elicit(extra, message, properties, required) {
  const requestedSchema = { type: "object", properties, required };
  const params = { mode: "form", message, requestedSchema };
  const answer = await extra.sendRequest({ method: "elicitation/create", params }, types.ElicitResultSchema);
  return [text(`${answer.action} ${JSON.stringify(answer.content ?? {})}`)];
}

/** Each tool: its properties, and what it does. */
const TOOLS = {
  test_simple_text: [{}, () => [text("This is a simple text response for testing.")]],
  test_image_content: [{}, () => [image]],
  test_audio_content: [{}, () => [{ type: "audio", data: WAV, mimeType: "audio/wav" }]],
  test_embedded_resource: [{}, () => [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]],
  test_multiple_content_types: [{}, () => [
    text("Multiple content types test:"), image,
    embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
  ]],
  test_tool_with_logging: [{}, async (_, extra) => {
    for (const data of ["started", "works", "is done"]) {
      await extra.sendNotification({ method: "notifications/message", params: { level: "info", data } });
      await later(50);
    }
    return [text("logged")];
  }],
  test_tool_with_progress: [{}, async (_, extra) => {
    const progressToken = extra._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined)
        await extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
      await later(50);
    }
    return [text("done")];
  }],
  test_error_handling: [{}, () => { throw new Error("This tool intentionally returns an error for testing"); }],
  test_sampling: [{ prompt: string }, async ({ prompt }, extra) => {
    const params = { messages: [{ role: "user", content: text(prompt) }], maxTokens: 100 };
    const answer = await extra.sendRequest({ method: "sampling/createMessage", params }, types.CreateMessageResultSchema);
    return [text(`LLM response: ${answer.content.text}`)];
  }],
  test_elicitation: [{ message: string }, ({ message }, extra) =>
    elicit(extra, message, { username: string, email: string }, ["username", "email"])],
  test_elicitation_sep1034_defaults: [{}, (_, extra) => elicit(extra, "Look at the defaults", defaults, [])],
  test_elicitation_sep1330_enums: [{}, (_, extra) => elicit(extra, "Choose", enums, [])],
  test_reconnection: [{}, async (_, extra) => {
    extra.closeSSEStream?.();
    await later(100);
    return [text("here again")];
  }],
  json_schema_2020_12_tool: [null, (args) => [text(JSON.stringify(args))]],
};
const JSON_SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: { address: { type: "object", properties: { street: string, city: string } } },
  properties: { name: string, address: { $ref: "#/$defs/address" } },
  additionalProperties: false,
};
const RESOURCES = {
  "test://static-text": { mimeType: "text/plain", text: "This is the content of the static text resource." },
  "test://static-binary": { mimeType: "image/png", blob: PNG },
  "test://watched-resource": { mimeType: "text/plain", text: "watched" },
};
const PROMPTS = {
  test_simple_prompt: [[], () => [text("This is a simple prompt for testing.")]],
  test_prompt_with_arguments: [["arg1", "arg2"], ({ arg1, arg2 }) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)]],
  test_prompt_with_embedded_resource: [["resourceUri"], ({ resourceUri }) => [
    embedded(resourceUri, "text/plain", "Embedded resource content for testing."), text("Please process the embedded resource above."),
  ]],
  test_prompt_with_image: [[], () => [image, text("Please analyze the image above.")]],
};

function server() {
  const capabilities = { tools: {}, resources: { subscribe: true }, prompts: {}, logging: {}, completions: {} };
  const server = new Server({ name: "conformance", version: "1" }, { capabilities });
  const on = (schema, handler) => server.setRequestHandler(schema, handler);
  on(types.ListToolsRequestSchema, () => ({
    tools: Object.entries(TOOLS).map(([name, [properties]]) => ({
      name,
      description: name.replaceAll("_", " "),
      inputSchema: properties ? { type: "object", properties, required: Object.keys(properties) } : JSON_SCHEMA,
    })),
  }));
  on(types.CallToolRequestSchema, async ({ params }, extra) => {
    try {
      return { content: await TOOLS[params.name][1](params.arguments ?? {}, extra) };
    } catch (error) {
      return { content: [text(String(error.message))], isError: true };
    }
  });
  on(types.ListResourcesRequestSchema, () => ({
    resources: Object.entries(RESOURCES).map(([uri, { mimeType }]) => ({ uri, name: uri.slice(7), mimeType, description: uri })),
  }));
  on(types.ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "template", mimeType: "application/json" }],
  }));
  on(types.ReadResourceRequestSchema, ({ params: { uri } }) => {
    const id = /^test:\/\/template\/(.+)\/data$/.exec(uri)?.[1];
    const templated = id && { mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) };
    const found = RESOURCES[uri] ?? templated;
    if (!found) throw new types.McpError(-32002, "Resource not found", { uri });
    return { contents: [{ uri, ...found }] };
  });
  on(types.SubscribeRequestSchema, () => ({}));
  on(types.UnsubscribeRequestSchema, () => ({}));
  on(types.ListPromptsRequestSchema, () => ({
    prompts: Object.entries(PROMPTS).map(([name, [args]]) => ({
      name, description: name.replaceAll("_", " "), arguments: args.map((name) => ({ name, description: name, required: true })),
    })),
  }));
  on(types.GetPromptRequestSchema, ({ params }) => ({
    messages: PROMPTS[params.name][1](params.arguments ?? {}).map((content) => ({ role: "user", content })),
  }));
  on(types.CompleteRequestSchema, () => ({ completion: { values: ["paris", "park"], total: 2, hasMore: false } }));
  return server;
}

/** Streams that were closed go on from where they ended. */
function events() {
  const kept = [];
  return {
    async storeEvent(stream, message) {
      kept.push({ stream, message });
      return String(kept.length);
    },
    async replayEventsAfter(last, { send }) {
      const { stream } = kept[Number(last) - 1];
      for (const [at, event] of kept.entries())
        if (at >= Number(last) && event.stream === stream && Object.keys(event.message).length > 0) await send(String(at + 1), event.message);
      return stream;
    },
  };
}

if (process.argv[2] === "stdio") {
  await server().connect(new StdioServerTransport());
} else {
  const sessions = new Map();
  const listener = http.createServer(async (request, response) => {
    const { hostname } = new URL(`http://${request.headers.host}`);
    const origin = request.headers.origin && new URL(request.headers.origin).hostname;
    const isLocal = (name) => ["127.0.0.1", "localhost", "[::1]"].includes(name);
    if (!isLocal(hostname) || (origin && !isLocal(origin))) return response.writeHead(403).end();
    const known = sessions.get(request.headers["mcp-session-id"]);
    if (known) return known.handleRequest(request, response);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: events(),
      retryInterval: 100,
      onsessioninitialized: (id) => sessions.set(id, transport),
    });
    transport.onclose = () => sessions.delete(transport.sessionId);
    await server().connect(transport);
    await transport.handleRequest(request, response);
  });
  listener.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${listener.address().port}/mcp`));
}
