// A model for coding agents, on loopback: it wants one command run, and once more if that waits for people and somebody has approved it.
// Speaks what Codex (OpenAI's responses) and Gemini CLI (generateContent) stream. Prints its port.
//
//     node model.mjs COMMAND FOLDER
//
// FOLDER/approved says that somebody has approved; what the agent was told of the command goes to FOLDER/told, a line each.
import { createServer } from 'node:http';
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const [, , command, folder] = process.argv;

/// What to do next, by what the agent was told until now: true for the command once more.
async function wants(told) {
  for (const text of told) appendFileSync(`${folder}/told`, JSON.stringify(text) + '\n');
  if (told.length === 0) return true;
  if (told.length > 1 || !/Request req_/.test(told[0])) return false;
  for (let i = 0; i < 600 && !existsSync(`${folder}/approved`); i++) await sleep(100);
  return true;
}

async function responses(asked, answer) {
  const told = (asked.input ?? []).filter((item) => item.type === 'function_call_output');
  const more = await wants(told.map((item) => JSON.stringify(item.output)));
  const event = (type, rest) => answer.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`);
  answer.writeHead(200, { 'content-type': 'text/event-stream' });
  event('response.created', { response: { id: 'r' } });
  const call = {
    type: 'function_call',
    call_id: `call_${told.length}`,
    name: 'exec_command',
    arguments: JSON.stringify({ cmd: command }),
  };
  const words = { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'finished' }] };
  event('response.output_item.done', { output_index: 0, item: more ? call : words });
  const usage = { input_tokens: 1, input_tokens_details: null, output_tokens: 1, output_tokens_details: null, total_tokens: 2 };
  event('response.completed', { response: { id: 'r', usage } });
  answer.end();
}

async function contents(asked, answer, streams) {
  const parts = (asked.contents ?? []).flatMap((content) => content.parts ?? []);
  const told = parts.filter((part) => part.functionResponse).map((part) => JSON.stringify(part.functionResponse.response));
  const more = await wants(told);
  const part = more
    ? { functionCall: { name: 'run_shell_command', args: { command, description: 'as it was asked' } } }
    : { text: 'finished' };
  const candidate = { content: { role: 'model', parts: [part] }, finishReason: 'STOP', index: 0 };
  const usageMetadata = { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 };
  const text = JSON.stringify({ candidates: [candidate], usageMetadata });
  answer.writeHead(200, { 'content-type': streams ? 'text/event-stream' : 'application/json' });
  answer.end(streams ? `data: ${text}\n\n` : text);
}

const server = createServer((request, answer) => {
  let body = '';
  request.on('data', (piece) => (body += piece));
  request.on('end', () => {
    const asked = body === '' ? {} : JSON.parse(body);
    if (request.url.includes('/responses')) return responses(asked, answer);
    if (/generateContent/i.test(request.url)) return contents(asked, answer, request.url.includes('stream'));
    answer.writeHead(200, { 'content-type': 'application/json' });
    answer.end('{"data":[],"models":[]}');
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
