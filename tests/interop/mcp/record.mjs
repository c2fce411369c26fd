// Runs a server and keeps every line that it receives: `record.mjs LOG COMMAND…`. What stands in the log reached the server.
import { spawn } from "node:child_process";
import fs from "node:fs";

const [log, command, ...args] = process.argv.slice(2);
const server = spawn(command, args, { stdio: ["pipe", "inherit", "inherit"] });
server.stdin.on("error", () => {});
process.stdin.on("data", (data) => {
  fs.appendFileSync(log, data);
  server.stdin.write(data);
});
process.stdin.on("end", () => server.stdin.end());
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => server.kill(signal));
server.on("exit", (code) => process.exit(code ?? 1));
