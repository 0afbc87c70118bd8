// <stream-waveform>: what is archived of a stream. A click plays from there; so do the keys of a
// slider and Enter. `show(stream, api)` chooses the stream; a `seek` event tells seconds.

import { clock, h, setText } from '/console/ui.js';

const POINTS = 1000;
/** Seconds. */
const CLOSEST = 5;

class StreamWaveform extends HTMLElement {
  #canvas = h('canvas', { 'aria-hidden': 'true' });
  #told = h('span', { class: 'told' });
  #from = h('span', { class: 'numbers' });
  #under = h('span', { class: 'numbers' });
  #to = h('span', { class: 'numbers' });
  #area = h('div', { class: 'area', role: 'slider', tabindex: '0', 'aria-label': 'Play from', 'aria-valuemin': '0' });
  #stream = null;
  #api = null;
  #data = null;
  /** Seconds shown; `to` is null where that is the end, which may move. */
  #view = { from: 0, to: null };
  #cursor = 0;
  #playhead = null;
  #asked = 0;
  #timer = null;
  #soon = null;

  connectedCallback() {
    if (this.firstChild) return;
    const zoom = (label, text, by) => h('button', { class: 'small', 'aria-label': label, title: label, onclick: () => this.#zoom(by) }, text);
    this.#area.append(this.#canvas, this.#told);
    this.append(
      this.#area,
      h('div', { class: 'times', 'aria-hidden': 'true' }, this.#from, this.#under, this.#to),
      h('div', { class: 'zoom' }, zoom('Zoom in', '+', 0.5), zoom('Zoom out', '−', 2)),
    );
    this.#area.addEventListener('click', (event) => this.#seek(this.#at(event)));
    this.#area.addEventListener('pointermove', (event) => setText(this.#under, clock(this.#at(event))));
    this.#area.addEventListener('pointerleave', () => setText(this.#under, ''));
    this.#area.addEventListener('keydown', (event) => this.#key(event));
    new ResizeObserver(() => this.#draw()).observe(this.#area);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
  }

  show(stream, api) {
    const isOther = stream?.stream_id !== this.#stream?.stream_id;
    const hasEnded = !isOther && this.#stream?.is_live && !stream?.is_live;
    this.#stream = stream;
    this.#api = api;
    if (!isOther && !hasEnded) return;
    if (isOther) {
      this.#data = null;
      this.#view = { from: 0, to: null };
      this.#cursor = 0;
      this.#playhead = null;
    }
    this.#load();
  }

  /** What is known of the time line: seconds in all, and what plays, or null. */
  set playhead(seconds) {
    this.#playhead = seconds;
    if (seconds !== null && this.#soon === null) this.#cursor = seconds;
    this.#draw();
  }

  get cursor() {
    return this.#cursor;
  }

  /** Columns that have something in them. */
  get drawn() {
    return this.#data?.max.filter((x) => x !== null).length ?? 0;
  }

  get #end() {
    return this.#view.to ?? this.#data?.seconds ?? 0;
  }

  async #load() {
    clearTimeout(this.#timer);
    const stream = this.#stream;
    if (!stream) return;
    const asked = (this.#asked += 1);
    const { from, to } = this.#view;
    const range = `from=${from.toFixed(3)}s${to === null ? '' : `&to=${to.toFixed(3)}s`}`;
    let again = stream.is_live ? 2000 : null;
    try {
      const data = await this.#api.send('GET', `/api/streams/${stream.stream_id}/waveform?${range}&points=${POINTS}`);
      if (asked !== this.#asked) return;
      this.#data = data;
      if (!data.complete) again = 200;
      setText(this.#told, data.max.some((x) => x !== null) ? '' : 'Nothing is archived yet.');
    } catch (error) {
      if (asked !== this.#asked) return;
      setText(this.#told, error.message);
      again = error.status === 400 || error.status === 404 ? null : 3000;
    }
    this.#draw();
    if (again !== null) this.#timer = setTimeout(() => this.#load(), again);
  }

  #at(event) {
    const { left, width } = this.#area.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - left) / width, 0), 1);
    return this.#view.from + share * (this.#end - this.#view.from);
  }

  #seek(seconds) {
    if (!this.#data) return;
    clearTimeout(this.#soon);
    this.#soon = null;
    this.#cursor = Math.min(Math.max(seconds, 0), this.#data.seconds);
    this.#draw();
    this.dispatchEvent(new CustomEvent('seek', { detail: this.#cursor }));
  }

  #key(event) {
    const all = this.#data?.seconds ?? 0;
    const to = {
      ArrowLeft: this.#cursor - 5, ArrowRight: this.#cursor + 5, ArrowDown: this.#cursor - 5, ArrowUp: this.#cursor + 5,
      PageDown: this.#cursor - 60, PageUp: this.#cursor + 60, Home: 0, End: all,
    }[event.key];
    if (to !== undefined) {
      this.#cursor = Math.min(Math.max(to, 0), all);
      // What plays follows, once the keys rest.
      if (this.#playhead !== null) {
        clearTimeout(this.#soon);
        this.#soon = setTimeout(() => {
          this.#soon = null;
          this.#seek(this.#cursor);
        }, 250);
      }
      this.#draw();
    } else if (event.key === 'Enter' || event.key === ' ') this.#seek(this.#cursor);
    else if (event.key === '+' || event.key === '=') this.#zoom(0.5);
    else if (event.key === '-') this.#zoom(2);
    else return;
    event.preventDefault();
  }

  #zoom(by) {
    const all = this.#data?.seconds ?? 0;
    const length = (this.#end - this.#view.from) * by;
    if (length >= all) {
      this.#view = { from: 0, to: null };
    } else {
      const width = Math.max(length, Math.min(CLOSEST, all));
      const from = Math.min(Math.max(this.#cursor - width / 2, 0), all - width);
      this.#view = { from, to: from + width };
    }
    this.#load();
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#area;
    if (width === 0) return;
    const scale = devicePixelRatio;
    const canvas = this.#canvas;
    if (canvas.width !== width * scale || canvas.height !== height * scale) {
      [canvas.width, canvas.height] = [width * scale, height * scale];
    }
    const draw = canvas.getContext('2d');
    draw.setTransform(scale, 0, 0, scale, 0, 0);
    draw.clearRect(0, 0, width, height);
    const [from, end] = [this.#view.from, this.#end];
    setText(this.#from, clock(from));
    setText(this.#to, clock(end));
    this.#area.setAttribute('aria-valuemax', Math.round(this.#data?.seconds ?? 0));
    this.#area.setAttribute('aria-valuenow', Math.round(this.#cursor));
    this.#area.setAttribute('aria-valuetext', `${clock(this.#cursor)} of ${clock(this.#data?.seconds ?? 0)}`);
    if (!this.#data || end <= from) return;

    // Only what is computed is a colour that a canvas knows.
    const { color: soft, accentColor: accent, borderTopColor: line } = getComputedStyle(this);
    const { step, min, max, from: first } = this.#data;
    const x = (seconds) => ((seconds - from) / (end - from)) * width;
    const y = (sample) => ((1 - sample / 32767) * height) / 2;
    const wide = Math.max(x(from + step) + 0.5, 1);
    min.forEach((low, n) => {
      const left = x(first + n * step);
      if (low === null) {
        draw.fillStyle = line;
        draw.fillRect(left, height / 2 - 0.5, wide, 1);
        return;
      }
      const played = this.#playhead !== null && first + n * step < this.#playhead;
      draw.fillStyle = played ? accent : soft;
      const top = y(max[n]);
      draw.fillRect(left, top, wide, Math.max(y(low) - top, 1));
    });
    const mark = (seconds, colour, thick) => {
      if (seconds < from || seconds > end) return;
      draw.fillStyle = colour;
      draw.fillRect(Math.min(x(seconds), width - thick), 0, thick, height);
    };
    mark(this.#cursor, soft, 1);
    if (this.#playhead !== null) mark(this.#playhead, accent, 2);
  }
}

customElements.define('stream-waveform', StreamWaveform);
