// Drives one page in Chromium, with an authenticator of Chromium's own, for tests/tests/interop/{browser,chromium}.rs.
//
//   node browser.mjs PAGE.html | http://localhost:PORT [axe.min.js]
//
// The first line on stdout is the page's origin. After that each line on stdin is one of
//   {"call": "a JavaScript expression"}        in the page
//   {"method": "WebAuthn.…", "params": {…}}    of the DevTools protocol
//   {"go": "http://…"}                         until it is loaded
//   {"picture": "file.png", "whole": true}     of what is seen, or of the whole page
//   {"axe": true}                              what axe finds: rule, place and why
//   {"problems": true}                         errors of the console and of the policy since it was last asked
// and is answered by one line, {"value": …} or {"error": "…"}.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [, , subject, axe] = process.argv;
async function serve(page) {
  const server = createServer((request, response) => {
    response.writeHead(request.url === "/" ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
    response.end(request.url === "/" ? page : "");
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return `http://localhost:${server.address().port}`;
}
const origin = subject.startsWith("http://") ? subject : await serve(readFileSync(subject));

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
    events.get(message.method)?.(message.params);
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
setTimeout(() => end(1), 240_000).unref();

const { targetId } = await send("Target.createTarget", { url: "about:blank" });
const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
await send("Page.enable", {}, sessionId);
let problems = [];
events.set("Log.entryAdded", ({ entry }) => entry.level === "error" && problems.push(entry.text));
events.set("Runtime.exceptionThrown", ({ exceptionDetails: { exception, text } }) => problems.push(exception?.description ?? text));
events.set("Runtime.consoleAPICalled", ({ type, args }) => type === "error" && problems.push(args.map((arg) => arg.value).join(" ")));
await send("Log.enable", {}, sessionId);
await send("Runtime.enable", {}, sessionId);
async function go(url) {
  const loaded = new Promise((done) => events.set("Page.loadEventFired", done));
  await send("Page.navigate", { url }, sessionId);
  await loaded;
}
await go(`${origin}/`);
await send("WebAuthn.enable", {}, sessionId);
const options = {
  protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
  isUserVerified: true, automaticPresenceSimulation: true,
};
const { authenticatorId } = await send("WebAuthn.addVirtualAuthenticator", { options }, sessionId);
console.log(origin);

async function evaluate(expression, contextId) {
  const params = { expression, contextId, awaitPromise: true, returnByValue: true, userGesture: true };
  const { result, exceptionDetails } = await send("Runtime.evaluate", params, sessionId);
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
}

// In a world of its own, which the page's policy is not for: it sees the same document.
async function findings() {
  const { frameTree } = await send("Page.getFrameTree", {}, sessionId);
  const { executionContextId } = await send("Page.createIsolatedWorld", { frameId: frameTree.frame.id }, sessionId);
  await evaluate(`${readFileSync(axe, "utf8")};0`, executionContextId);
  return evaluate(
    `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => [id, String(target), failureSummary].join(": "))))`,
    executionContextId,
  );
}

async function picture(file, whole) {
  const { data } = await send("Page.captureScreenshot", { format: "png", captureBeyondViewport: Boolean(whole) }, sessionId);
  writeFileSync(file, Buffer.from(data, "base64"));
}

async function answer(question) {
  const { call, method, params } = question;
  if (method) {
    const own = method.startsWith("WebAuthn.") ? { authenticatorId } : {};
    return { value: await send(method, { ...own, ...params }, sessionId) };
  }
  if (question.go) return { value: await go(question.go) };
  if (question.picture) return { value: await picture(question.picture, question.whole) };
  if (question.axe) return { value: await findings() };
  if (question.problems) {
    const found = problems;
    problems = [];
    return { value: found };
  }
  return { value: await evaluate(call) };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line)).catch((error) => ({ error: error.message }))));
}
end(0);
