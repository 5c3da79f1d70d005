// client.mjs URL LOG: asks URL every 100 ms over a new connection, as a new visitor would, and appends one JSON line a
// request to LOG. Runs in the client's network namespace, until its standard input ends.
import { openSync, writeSync } from 'node:fs';
import { request } from 'node:http';
import { loadNative } from '../../dist/src/host/native.js';

const everyMs = 100;
const timeoutMs = 500;
const maxNameCharacters = 64;
const [url, logFile] = process.argv.slice(2);
const log = openSync(logFile, 'a');
const { boottimeMs } = loadNative();

function ask() {
  const sentMs = boottimeMs();
  let open = true;
  const end = (outcome) => {
    if (!open) return;
    open = false;
    clearTimeout(timer);
    writeSync(log, `${JSON.stringify({ sentMs, doneMs: boottimeMs(), ...outcome })}\n`);
    asking.destroy();
  };
  const timer = setTimeout(() => end({ error: 'no answer' }), timeoutMs);
  const asking = request(url, { agent: false }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part) => {
      text = (text + part).slice(0, maxNameCharacters);
    });
    response.on('end', () =>
      end(response.statusCode === 200 ? { node: text.trim() } : { error: `${response.statusCode}` }),
    );
    response.on('error', (error) => end({ error: error.code ?? error.message }));
  });
  asking.on('error', (error) => end({ error: error.code ?? error.message }));
  asking.end();
}

const asks = setInterval(ask, everyMs);
process.stdin.resume().on('end', () => clearInterval(asks)); // what is under way still ends
process.on('SIGINT', () => undefined); // Ctrl-C is for the demo, which then ends us
