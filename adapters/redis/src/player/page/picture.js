// <session-picture>: a sound's outline and its spectrogram on one time line. A click plays from
// there; so do the keys of a slider and Enter. A `seek` event tells seconds.

import { clock, h, setText } from '/console/ui.js';

class SessionPicture extends HTMLElement {
  #outline = h('canvas', { class: 'outline', 'aria-hidden': 'true' });
  #spectrum = h('canvas', { class: 'spectrum', 'aria-hidden': 'true' });
  #marks = h('canvas', { class: 'marks', 'aria-hidden': 'true' });
  #told = h('span', { class: 'told', role: 'status' });
  #under = h('span', { class: 'numbers' });
  #end = h('span', { class: 'numbers' });
  #area = h('div', { class: 'area', role: 'slider', tabindex: '0', 'aria-label': 'Play from', 'aria-valuemin': '0' });
  #data = null;
  #image = null;
  #cursor = 0;
  #playhead = null;
  #soon = null;

  connectedCallback() {
    if (this.firstChild) return;
    this.#area.append(this.#outline, this.#spectrum, this.#marks, this.#told);
    const start = h('span', { class: 'numbers' }, clock(0));
    this.append(this.#area, h('div', { class: 'times', 'aria-hidden': 'true' }, start, this.#under, this.#end));
    this.#area.addEventListener('click', (event) => this.#seek(this.#at(event)));
    this.#area.addEventListener('pointermove', (event) => setText(this.#under, this.#data ? exactly(this.#at(event)) : ''));
    this.#area.addEventListener('pointerleave', () => setText(this.#under, ''));
    this.#area.addEventListener('keydown', (event) => this.#key(event));
    new ResizeObserver(() => this.#draw()).observe(this.#area);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
    this.show(null, '');
  }

  /** Shows what the server has drawn, or `text` where there is nothing. */
  show(data, text) {
    this.#data = data && {
      seconds: data.seconds,
      step: data.outline.step,
      least: new Int8Array(bytes(data.outline.least).buffer),
      greatest: new Int8Array(bytes(data.outline.greatest).buffer),
    };
    this.#image = data && spectrogram(data.spectrum);
    this.classList.toggle('bare', !data);
    setText(this.#told, data ? '' : text);
    if (!data) this.#cursor = 0;
    this.#draw();
  }

  get seconds() {
    return this.#data?.seconds ?? 0;
  }

  get cursor() {
    return this.#cursor;
  }

  /** Columns that have something in them. */
  get drawn() {
    return this.#data?.greatest.filter((x, n) => x - this.#data.least[n] > 1).length ?? 0;
  }

  /** Seconds of what plays, or null. */
  set playhead(seconds) {
    if (seconds === this.#playhead) return;
    this.#playhead = seconds;
    if (seconds !== null && this.#soon === null) this.#cursor = seconds;
    this.#mark();
  }

  #at(event) {
    const { left, width } = this.#area.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - left) / width, 0), 1) * this.seconds;
  }

  #seek(seconds) {
    if (!this.#data) return;
    clearTimeout(this.#soon);
    this.#soon = null;
    this.#cursor = Math.min(Math.max(seconds, 0), this.seconds);
    this.#mark();
    this.dispatchEvent(new CustomEvent('seek', { detail: this.#cursor }));
  }

  #key(event) {
    const step = this.seconds < 60 ? 1 : 5;
    const to = {
      ArrowLeft: this.#cursor - step, ArrowRight: this.#cursor + step, ArrowDown: this.#cursor - step, ArrowUp: this.#cursor + step,
      PageDown: this.#cursor - 10 * step, PageUp: this.#cursor + 10 * step, Home: 0, End: this.seconds,
    }[event.key];
    if (to !== undefined) {
      this.#cursor = Math.min(Math.max(to, 0), this.seconds);
      // What plays follows, once the keys rest.
      if (this.#playhead !== null) {
        clearTimeout(this.#soon);
        this.#soon = setTimeout(() => this.#seek(this.#cursor), 250);
      }
      this.#mark();
    } else if (event.key === 'Enter' || event.key === ' ') this.#seek(this.#cursor);
    else return;
    event.preventDefault();
  }

  #draw() {
    const { clientWidth: width } = this.#area;
    if (width === 0) return;
    setText(this.#end, this.#data ? exactly(this.seconds) : '');
    const outline = sized(this.#outline);
    const spectrum = sized(this.#spectrum);
    if (this.#data && this.seconds > 0) {
      const { least, greatest, step } = this.#data;
      // The last column may be a part of one.
      const wide = (width * step) / this.seconds;
      const height = this.#outline.clientHeight;
      // Only what is computed is a colour that a canvas knows.
      const { color: soft } = getComputedStyle(this);
      outline.fillStyle = soft;
      for (let n = 0; n < least.length; n += 1) {
        const top = ((1 - greatest[n] / 127) * height) / 2;
        const low = ((1 - least[n] / 127) * height) / 2;
        outline.fillRect(n * wide, top, Math.max(wide, 0.7), Math.max(low - top, 1));
      }
      if (this.#image) {
        const whole = (width * this.#image.width * this.#image.step) / this.seconds;
        spectrum.drawImage(this.#image, 0, 0, whole, this.#spectrum.clientHeight);
      }
    }
    this.#mark();
  }

  #mark() {
    const { clientWidth: width } = this.#area;
    this.#area.setAttribute('aria-valuemax', this.seconds.toFixed(1));
    this.#area.setAttribute('aria-valuenow', this.#cursor.toFixed(1));
    this.#area.setAttribute('aria-valuetext', `${exactly(this.#cursor)} of ${exactly(this.seconds)}`);
    if (width === 0) return;
    const draw = sized(this.#marks);
    if (!this.#data || this.seconds === 0) return;
    const { accentColor: accent, color: soft } = getComputedStyle(this);
    const line = (seconds, colour, thick) => {
      draw.fillStyle = colour;
      draw.fillRect(Math.min((seconds / this.seconds) * width, width - thick), 0, thick, this.#area.clientHeight);
    };
    if (this.#playhead === null) line(this.#cursor, soft, 1);
    else line(this.#playhead, accent, 2);
  }
}

/** A canvas of the size that it has on the screen, cleared. */
function sized(canvas) {
  const scale = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((n) => Math.round(n * scale));
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const draw = canvas.getContext('2d');
  draw.setTransform(scale, 0, 0, scale, 0, 0);
  draw.clearRect(0, 0, width, height);
  return draw;
}

/** The levels as a picture, a pixel each. */
function spectrogram({ step, bands, levels }) {
  const level = bytes(levels);
  const [columns, rows] = [level.length / bands, bands];
  if (columns === 0) return null;
  const canvas = new OffscreenCanvas(columns, rows);
  const draw = canvas.getContext('2d');
  const image = draw.createImageData(columns, rows);
  for (let x = 0; x < columns; x += 1) {
    for (let y = 0; y < rows; y += 1) {
      image.data.set(COLOURS[level[x * rows + y]], 4 * ((rows - 1 - y) * columns + x));
    }
  }
  draw.putImageData(image, 0, 0);
  canvas.step = step;
  return canvas;
}

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** Seconds as 0:07.3. */
export const exactly = (seconds) => `${clock(seconds)}.${Math.floor((seconds * 10) % 10)}`;

/** From black over violet and orange to pale yellow, even to the eye. */
const COLOURS = (() => {
  const stops = [[7, 6, 15], [43, 17, 88], [110, 31, 110], [181, 54, 95], [238, 105, 62], [252, 178, 90], [252, 253, 200]];
  return Array.from({ length: 256 }, (_, n) => {
    const at = (n / 255) * (stops.length - 1);
    const [low, part] = [Math.min(Math.floor(at), stops.length - 2), at - Math.min(Math.floor(at), stops.length - 2)];
    return [...stops[low].map((c, i) => Math.round(c + (stops[low + 1][i] - c) * part)), 255];
  });
})();

customElements.define('session-picture', SessionPicture);
