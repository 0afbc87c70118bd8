// The audio thread's part of publishing: what the microphone gives, as 16-bit samples, a few
// milliseconds at a time, through a port to the worker (link.js); and its levels.

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions: { channels } }) {
    super();
    this.channels = channels;
    this.frames = Math.round(sampleRate * 0.01);
    this.begin();
    this.levels = Array.from({ length: channels }, () => ({ peak: 0, sum: 0 }));
    this.counted = 0;
    this.isMuted = false;
    this.port.onmessage = ({ data }) => {
      if (data.port) this.link = data.port;
      else this.isMuted = data.isMuted;
    };
  }

  begin() {
    this.block = new Int16Array(this.frames * this.channels);
    this.filled = 0;
  }

  process([input]) {
    if (input.length === 0) return true;
    for (let n = 0; n < input[0].length; n += 1) {
      for (let c = 0; c < this.channels; c += 1) this.take(this.isMuted ? 0 : input[c % input.length][n], c);
    }
    this.counted += input[0].length;
    if (this.counted >= sampleRate / 10) this.tell();
    return true;
  }

  take(sample, c) {
    const level = this.levels[c];
    level.peak = Math.max(level.peak, Math.abs(sample));
    level.sum += sample * sample;
    this.block[this.filled] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    this.filled += 1;
    if (this.filled === this.block.length) {
      this.link?.postMessage(this.block.buffer, [this.block.buffer]);
      this.begin();
    }
  }

  tell() {
    const decibels = (x) => 20 * Math.log10(Math.max(x, 1e-5));
    this.port.postMessage(this.levels.flatMap(({ peak, sum }) => (
      [decibels(peak), decibels(Math.sqrt(sum / this.counted))])));
    for (const level of this.levels) level.peak = level.sum = 0;
    this.counted = 0;
  }
}

registerProcessor('audiox-capture', Capture);
