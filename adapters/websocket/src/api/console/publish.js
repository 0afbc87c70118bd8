// Publishing: the microphone, the audio thread that takes it (capture.js), and the worker that
// sends it (link.js).

/** Why the microphone cannot be used here, or null. */
export function whyNot() {
  if (!isSecureContext) return 'Browsers give the microphone only to pages that came over HTTPS, or from this machine. Serve the relay with TLS, or open the page as http://localhost.';
  if (!navigator.mediaDevices?.getUserMedia || !globalThis.AudioWorkletNode) return 'This browser cannot record.';
  return null;
}

/** What a failed getUserMedia means, for people. */
const WHY = {
  NotAllowedError: 'The browser does not let this page use the microphone. Allow it in the address bar, and try again.',
  NotFoundError: 'There is no microphone.',
  NotReadableError: 'The microphone is in use by another program, or does not answer.',
  OverconstrainedError: 'The microphone cannot do this.',
};

/** Sends the microphone to a stream of its own. Tells `change` events. */
export class Publishing extends EventTarget {
  #context;
  #media;
  #worker;
  #capture;
  #api;

  constructor(api) {
    super();
    this.#api = api;
    this.id = null;
    this.levels = [];
    this.link = { sent: 0, dropped: 0, waiting: 0, up: false };
    this.isMuted = false;
    this.isOver = false;
    this.error = null;
  }

  /** Opens the microphone and makes a stream for it. Fails with words for people. */
  async start({ name, device, channels, processing, token }) {
    try {
      await this.#open(device, channels, processing);
      const { sampleRate: rate } = this.#context;
      const wanted = { rate, channels, format: 's16le', name: name || null };
      const { stream_id: id } = await this.#api.send('POST', '/api/streams', wanted);
      this.id = id;
      this.began = Date.now();
      const { port1, port2 } = new MessageChannel();
      this.#capture.port.postMessage({ port: port1 }, [port1]);
      this.#worker = new Worker('/link.js');
      this.#worker.onmessage = ({ data }) => this.#learn(data);
      const bytesPerSecond = rate * channels * 2;
      this.#worker.postMessage({ what: 'publish', id, token: token(), bytesPerSecond, port: port2 }, [port2]);
    } catch (error) {
      this.#release();
      this.isOver = true;
      throw new Error(WHY[error.name] ?? error.message, { cause: error });
    }
  }

  async #open(device, channels, processing) {
    this.#media = await navigator.mediaDevices.getUserMedia({
      audio: {
        ...(device ? { deviceId: { exact: device } } : {}),
        channelCount: { ideal: channels },
        echoCancellation: processing,
        noiseSuppression: processing,
        autoGainControl: processing,
      },
    });
    const [track] = this.#media.getAudioTracks();
    track.onended = () => this.stop('The microphone is gone.');
    this.#context = new AudioContext({ latencyHint: 'interactive' });
    await this.#context.audioWorklet.addModule('/capture.js');
    const source = this.#context.createMediaStreamSource(this.#media);
    this.#capture = new AudioWorkletNode(this.#context, 'audiox-capture', {
      numberOfOutputs: 0,
      channelCount: channels,
      channelCountMode: 'explicit',
      processorOptions: { channels },
    });
    this.#capture.port.onmessage = ({ data }) => {
      this.levels = data;
      this.#tell();
    };
    source.connect(this.#capture);
    await this.#context.resume();
    this.device = track.label;
  }

  set muted(isMuted) {
    this.isMuted = isMuted;
    this.#capture.port.postMessage({ isMuted });
    this.#tell();
  }

  get rate() {
    return this.#context.sampleRate;
  }

  /** Sends what there is still, and ends the stream. */
  stop(error = null) {
    this.error ??= error;
    this.#media?.getTracks().forEach((track) => track.stop());
    this.#worker?.postMessage({ what: 'end' });
  }

  async #learn(told) {
    this.link = { ...this.link, ...told };
    if (told.over && !this.isOver) {
      this.isOver = true;
      this.error ??= told.error ?? (told.ended ? 'The stream was ended by somebody else.' : null);
      this.#release();
      // Where the socket could not be told; a stream that has ended stays so.
      if (!told.error) await this.#api.send('POST', `/api/streams/${this.id}/end`).catch(() => {});
    }
    this.#tell();
  }

  #release() {
    this.#media?.getTracks().forEach((track) => track.stop());
    this.#worker?.terminate();
    if (this.#context?.state !== 'closed') this.#context?.close();
  }

  #tell() {
    this.dispatchEvent(new Event('change'));
  }
}
