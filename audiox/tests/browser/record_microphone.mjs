// Records the fake microphone, a tone, as a page's MediaRecorder does: node record_microphone.mjs FOLDER SECONDS
// Writes recording.webm.

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { inBrowser } from './harness.mjs';
import { microphone } from './sound.mjs';

const [folder, seconds] = process.argv.slice(2);
// Microphones are for pages of secure contexts, of which this machine's own are some.
const site = createServer((_, response) => {
  response.setHeader('Content-Type', 'text/html');
  response.end('<!doctype html><title>recorder</title>');
});
await new Promise((done) => site.listen(0, '127.0.0.1', done));

await inBrowser(async (page, step) => {
  await step('recording', async () => {
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
    const base64 = await page.evaluate(async (length) => {
      const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
      const recorder = new MediaRecorder(stream, { mimeType: 'audio/webm;codecs=opus' });
      const parts = [];
      recorder.ondataavailable = ({ data }) => parts.push(data);
      recorder.start(250);
      await new Promise((done) => setTimeout(done, length * 1000));
      // What an application has so far: it was not told to stop.
      const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
      let text = '';
      for (const byte of bytes) text += String.fromCharCode(byte);
      return btoa(text);
    }, Number(seconds));
    writeFileSync(join(folder, 'recording.webm'), Buffer.from(base64, 'base64'));
  });
}, { args: microphone(join(folder, 'microphone.wav'), 500) });
site.close();
process.exit();
