// <level-meter>: a level from −60 to 0 dBFS, its mean as a bar and its peak as a line.
// `class="upright"` stands it up; `label` names it for screen readers.

const FLOOR = -60;

class LevelMeter extends HTMLElement {
  #told = 0;

  connectedCallback() {
    if (this.firstChild) return;
    this.setAttribute('role', 'meter');
    this.setAttribute('aria-valuemin', FLOOR);
    this.setAttribute('aria-valuemax', 0);
    if (this.hasAttribute('label')) this.setAttribute('aria-label', this.getAttribute('label'));
    const part = (name) => {
      const span = document.createElement('span');
      span.className = name;
      return span;
    };
    this.append(part('mean'), part('peak'));
    this.show(FLOOR, FLOOR);
  }

  /** Shows levels in dBFS. */
  show(peak, mean) {
    const place = (db) => Math.min(Math.max(1 - db / FLOOR, 0), 1).toFixed(3);
    this.style.setProperty('--peak', place(peak));
    this.style.setProperty('--mean', place(mean));
    // Often enough for people, and not so often that a screen reader stumbles.
    const now = performance.now();
    const value = String(Math.max(FLOOR, Math.round(peak)));
    if (now - this.#told > 250 && value !== this.getAttribute('aria-valuenow')) {
      this.#told = now;
      this.setAttribute('aria-valuenow', value);
      this.setAttribute('aria-valuetext', peak <= FLOOR ? 'silent' : `${value} decibels`);
    }
  }
}

customElements.define('level-meter', LevelMeter);
