// Records a tone of 440 Hz by the browser's own MediaRecorder, as applications leave it in
// sessions: `node record.mjs OUT MILLISECONDS TYPE`. Its answer is empty where the type is not recorded here.

import { writeFileSync } from 'node:fs';
import { inBrowser } from './harness.mjs';

const [out, milliseconds, type] = process.argv.slice(2);

await inBrowser(async (page, step) => {
  await step(`recording ${type}`, async () => {
    const base64 = await page.evaluate(async ([time, mimeType]) => {
      if (!MediaRecorder.isTypeSupported(mimeType)) {
        return '';
      }
      const context = new AudioContext({ sampleRate: 48000 });
      await context.resume();
      const tone = new OscillatorNode(context, { frequency: 440 });
      const gain = new GainNode(context, { gain: 0.25 });
      const end = context.createMediaStreamDestination();
      end.channelCount = 1;
      tone.connect(gain).connect(end);
      tone.start();
      const recorder = new MediaRecorder(end.stream, { mimeType, audioBitsPerSecond: 32000 });
      const parts = [];
      recorder.ondataavailable = (event) => parts.push(event.data);
      const stopped = new Promise((done) => { recorder.onstop = done; });
      recorder.start(250);
      await new Promise((done) => setTimeout(done, time));
      recorder.stop();
      await stopped;
      const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    }, [Number(milliseconds), type]);
    writeFileSync(out, Buffer.from(base64, 'base64'));
  });
});
