// The worker between the relay and the audio thread, so that a busy page delays no packet. It is
// told what to do once; `port` leads to the audio thread, and what the page is to know it is told.

let stopped = false;

onmessage = ({ data }) => {
  if (data.what === 'end') end?.();
  else ({ listen, replay, publish })[data.what](data);
};

let end = null;

const HEADER = 24;

/** Live: over a WebSocket, again and again until the stream has ended. */
async function listen({ id, token, port, format }) {
  const decode = decoder(format);
  for (let pause = 250; !stopped; pause = Math.min(2 * pause, 4000)) {
    await connected(`/api/streams/${id}/listen`, token, (socket, over) => {
      socket.onmessage = ({ data }) => {
        pause = 250;
        if (typeof data === 'string') {
          const told = JSON.parse(data);
          if (told.ended) port.postMessage({ ended: true });
          if (told.ended || told.error) over(told);
          if ('is_live' in told) postMessage({ up: true });
          return;
        }
        const head = new DataView(data, 0, HEADER);
        if (head.getUint8(0) !== 1) return;
        const samples = decode(data, HEADER);
        port.postMessage({
          seq: head.getUint32(4),
          at: Number(head.getBigInt64(8)),
          sent: Number(head.getBigUint64(16)) / 1e9,
          samples,
        }, [samples.buffer]);
      };
    });
    if (!stopped) await check(id, token);
    if (!stopped) await sleep(pause);
  }
}

/** From the archive: as much as is played, and some more. */
async function replay({ id, token, port, format, from }) {
  const decode = decoder({ ...format, format: format.format.replace('be', 'le') });
  const frame = format.channels * decode.width;
  let [read, taken, wake] = [0, 0, () => {}];
  port.onmessage = ({ data }) => {
    taken = data.taken;
    wake();
  };
  try {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(`/api/streams/${id}/live.wav?from=${from}s`, { headers });
    if (!response.ok) {
      const { error } = await response.json().catch(() => ({ error: response.statusText }));
      throw new Error(error);
    }
    postMessage({ up: true });
    const reader = response.body.getReader();
    let [rest, isHead, at] = [new Uint8Array(0), true, Math.round(from * format.rate)];
    for (;;) {
      while (read - taken > AHEAD * format.rate) await new Promise((done) => (wake = done));
      const { value, done } = await reader.read();
      if (done) break;
      const all = new Uint8Array(rest.length + value.length);
      all.set(rest);
      all.set(value, rest.length);
      if (isHead && all.length < WAV_HEADER) {
        rest = all;
        continue;
      }
      const start = isHead ? WAV_HEADER : 0;
      const end = all.length - ((all.length - start) % frame);
      isHead = false;
      rest = all.slice(end);
      const samples = decode(all.buffer, start, end);
      const frames = samples.length / format.channels;
      if (frames === 0) continue;
      port.postMessage({ at, samples }, [samples.buffer]);
      at += frames;
      read += frames;
    }
    port.postMessage({ ended: true });
  } catch (error) {
    port.postMessage({ ended: true });
    postMessage({ over: true, error: error.message });
  }
}

/** The microphone's blocks over a WebSocket; what does not fit while that is gone is left out. */
async function publish({ id, token, port, bytesPerSecond }) {
  const waiting = [];
  const told = { sent: 0, dropped: 0, up: false };
  let [socket, held, isEnding] = [null, 0, false];
  const send = (block) => {
    socket.send(block);
    told.sent += block.byteLength;
  };
  port.onmessage = ({ data }) => {
    const isOpen = socket?.readyState === WebSocket.OPEN;
    if (isOpen && socket.bufferedAmount < WAITING * bytesPerSecond) {
      send(data);
      return;
    }
    waiting.push(data);
    held += data.byteLength;
    while (held > WAITING * bytesPerSecond) {
      const oldest = waiting.shift();
      held -= oldest.byteLength;
      told.dropped += oldest.byteLength;
    }
  };
  const telling = setInterval(() => postMessage({ ...told, waiting: held }), 250);
  end = () => {
    isEnding = true;
    if (socket?.readyState === WebSocket.OPEN) socket.send('end');
    else halt({});
  };
  const halt = (why) => {
    stopped = true;
    clearInterval(telling);
    postMessage({ ...told, over: true, ...why });
  };
  for (let pause = 250; !stopped; pause = Math.min(2 * pause, 4000)) {
    await connected(`/api/streams/${id}/ingest`, token, (open, over) => {
      open.onopen = () => {
        [socket, told.up, pause] = [open, true, 250];
        while (waiting.length > 0) send(waiting.shift());
        held = 0;
        if (isEnding) open.send('end');
      };
      open.onmessage = ({ data }) => {
        const { error } = JSON.parse(data);
        if (error) over({ error });
      };
    });
    told.up = false;
    socket = null;
    if (isEnding && !stopped) halt({});
    if (!stopped) await check(id, token, halt);
    if (!stopped) await sleep(pause);
  }
}

/** A WebSocket until it is closed. `over` tells the page, and that is the end of it. */
function connected(path, token, use) {
  return new Promise((closed) => {
    const url = new URL(path, location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url, token ? ['audiox', `bearer.${asProtocol(token)}`] : ['audiox']);
    socket.binaryType = 'arraybuffer';
    socket.onclose = () => {
      postMessage({ up: false });
      closed();
    };
    use(socket, (why) => {
      stopped = true;
      postMessage({ over: true, ...why });
    });
  });
}

/** Why a socket was closed is not told to pages: ask whether the stream is still there. */
async function check(id, token, halt = (why) => {
  stopped = true;
  postMessage({ over: true, ...why });
}) {
  try {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(`/api/streams/${id}`, { headers });
    const told = await response.json();
    if (response.status === 401 || response.status === 404) halt({ error: told.error });
    else if (response.ok && !told.is_live) halt({ ended: true });
  } catch {
    // The relay is away; it may come back.
  }
}

/** The token in the characters that a protocol's name may have. */
const asProtocol = (token) => encodeURIComponent(token).replace(/[()]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Samples of a stream's format, as numbers of ±1: `decode(buffer, from, to)`. */
function decoder({ format }) {
  const [, kind, bits, endian] = /^([usf])(\d+)(le|be)?$/.exec(format) ?? [];
  const width = Number(bits) / 8;
  const little = endian !== 'be';
  const read = {
    u1: (view, at) => (view.getUint8(at) - 128) / 128,
    s2: (view, at) => view.getInt16(at, little) / 32768,
    s3: (view, at) => (little
      ? (view.getInt8(at + 2) << 16) | view.getUint16(at, true)
      : (view.getInt8(at) << 16) | view.getUint16(at + 1, false)) / 8388608,
    s4: (view, at) => view.getInt32(at, little) / 2147483648,
    f4: (view, at) => {
      const sample = view.getFloat32(at, little);
      return Number.isFinite(sample) ? sample : 0;
    },
  }[`${kind}${width}`];
  if (!read) throw new Error(`${format} cannot be played here`);
  const decode = (buffer, from, to = buffer.byteLength) => {
    const samples = new Float32Array(Math.floor((to - from) / width));
    if (kind === 's' && width === 2 && little && from % 2 === 0) {
      const native = new Int16Array(buffer, from, samples.length);
      for (let n = 0; n < samples.length; n += 1) samples[n] = native[n] / 32768;
      return samples;
    }
    const view = new DataView(buffer);
    for (let n = 0; n < samples.length; n += 1) samples[n] = read(view, from + n * width);
    return samples;
  };
  decode.width = width;
  return decode;
}

/** Seconds read from the archive before they are played. */
const AHEAD = 4;
/** Seconds of a microphone that wait while the relay is away. */
const WAITING = 10;
const WAV_HEADER = 44;
