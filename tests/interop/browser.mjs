// Drives one page in Chromium, with an authenticator of Chromium's own, for tests/tests/interop/browser.rs.
//
//   node browser.mjs PAGE.html
//
// The first line on stdout is the page's origin. After that each line on stdin is either {"call": "a JavaScript expression"}
// or {"method": "WebAuthn.…", "params": {…}}, and is answered by one line, {"value": …} or {"error": "…"}.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const page = readFileSync(process.argv[2]);
const server = createServer((request, response) => {
  response.writeHead(request.url === "/" ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
  response.end(request.url === "/" ? page : "");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const origin = `http://localhost:${server.address().port}`;

// Root has no sandbox, and nothing is loaded but the page above.
const profile = mkdtempSync(join(tmpdir(), "actionpass-browser-"));
const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"];
const chromium = spawn(
  "chromium",
  [...flags, ...quiet, `--user-data-dir=${profile}`, "--remote-debugging-pipe", "about:blank"],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], detached: true },
);
const [, , , toBrowser, fromBrowser] = chromium.stdio;

const waiting = new Map();
const events = new Map();
let unread = "";
fromBrowser.setEncoding("utf8");
fromBrowser.on("data", (data) => {
  const messages = (unread + data).split("\0");
  unread = messages.pop();
  for (const message of messages.map((text) => JSON.parse(text))) {
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
    events.get(message.method)?.();
  }
});

let last = 0;
async function send(method, params = {}, sessionId) {
  last += 1;
  const answer = new Promise((done) => waiting.set(last, done));
  toBrowser.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
  const { result, error } = await answer;
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

function end(code) {
  // The whole group: Chromium is many processes.
  try {
    process.kill(-chromium.pid, "SIGKILL");
  } catch {}
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  process.exit(code);
}
chromium.on("exit", () => end(1));
// A browser that hangs fails the test, and stays no longer than it.
setTimeout(() => end(1), 120_000).unref();

const { targetId } = await send("Target.createTarget", { url: "about:blank" });
const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
await send("Page.enable", {}, sessionId);
const loaded = new Promise((done) => events.set("Page.loadEventFired", done));
await send("Page.navigate", { url: `${origin}/` }, sessionId);
await loaded;
await send("WebAuthn.enable", {}, sessionId);
const options = {
  protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
  isUserVerified: true, automaticPresenceSimulation: true,
};
const { authenticatorId } = await send("WebAuthn.addVirtualAuthenticator", { options }, sessionId);
console.log(origin);

async function answer({ call, method, params }) {
  if (method) return { value: await send(method, { authenticatorId, ...params }, sessionId) };
  const { result, exceptionDetails } = await send(
    "Runtime.evaluate",
    { expression: call, awaitPromise: true, returnByValue: true, userGesture: true },
    sessionId,
  );
  if (exceptionDetails) return { error: exceptionDetails.exception?.description ?? exceptionDetails.text };
  return { value: result.value };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line)).catch((error) => ({ error: error.message }))));
}
end(0);
