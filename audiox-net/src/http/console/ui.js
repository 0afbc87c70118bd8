// Elements, messages and dialogs.

/** An element with its properties, attributes, listeners (`onclick`) and children. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== 'string') element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const $ = (selector, root = document) => root.querySelector(selector);

/** Sets an element's text, and touches nothing where it stands there already. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Brings a table's body to what `items` are, in their order: `rows` has the row of each by
 * `key(item)`, as `make(item)` made it, an object with its `element`; `fill(row, item)` shows what
 * changes. Rows of items that are gone go.
 */
export function showRows(body, rows, items, { key, make, fill }) {
  const keys = new Set(items.map(key));
  for (const [known, row] of rows) {
    if (keys.has(known)) continue;
    row.element.remove();
    rows.delete(known);
  }
  items.forEach((item, at) => {
    const row = rows.get(key(item)) ?? make(item);
    rows.set(key(item), row);
    if (body.children[at] !== row.element) body.insertBefore(row.element, body.children[at] ?? null);
    fill(row, item);
  });
}

/** Shows notes, `{ text, bad }`, in a box; touches nothing where they stand there already. */
export function showNotes(box, notes) {
  const shown = JSON.stringify(notes);
  if (box.dataset.shown === shown) return;
  box.dataset.shown = shown;
  box.replaceChildren(...notes.map(({ text, bad }) => (
    bad ? h('p', { class: 'note bad', role: 'alert' }, text) : h('p', { class: 'note' }, text))));
}

/** A message that passes; read out by screen readers. */
export function say(text, kind = 'good') {
  const region = $('#messages') ?? document.body.appendChild(
    h('div', { id: 'messages', role: 'status', 'aria-live': 'polite' }),
  );
  const message = h('p', { class: `message ${kind}` }, text);
  region.append(message);
  setTimeout(() => message.remove(), kind === 'bad' ? 9000 : 3500);
}

/** Asks for a token; resolves to it, or to null where going on without one is possible. */
export function askToken(reason, mayCancel = false) {
  return new Promise((answer) => {
    const input = h('input', {
      type: 'password', name: 'token', required: true, autocomplete: 'current-password',
    });
    const dialog = h('dialog', { class: 'narrow', 'aria-labelledby': 'token-title' },
      h('form', { method: 'dialog' },
        h('h2', { id: 'token-title' }, 'Access token'),
        h('p', { class: 'hint' }, 'This page is protected. Ask whoever runs it for a token.'),
        h('label', {}, 'Token', input),
        h('p', { class: 'error', role: 'alert' }, sentence(reason)),
        h('footer', {},
          ...(mayCancel ? [h('button', { type: 'button', onclick: () => dialog.close('cancel') }, 'Cancel')] : []),
          h('button', { class: 'primary' }, 'Sign in'))));
    // At first there is nothing to see without one.
    dialog.addEventListener('cancel', (event) => {
      if (!mayCancel) event.preventDefault();
      else dialog.returnValue = 'cancel';
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      answer(dialog.returnValue === 'cancel' ? null : input.value.trim());
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Asks whether to go on; resolves to true or false. */
export function confirm(question, action) {
  return new Promise((answer) => {
    const dialog = h('dialog', { class: 'narrow' },
      h('form', { method: 'dialog' },
        h('p', {}, question),
        h('footer', {},
          h('button', { value: '' }, 'Cancel'),
          h('button', { value: 'yes', class: 'danger' }, action))));
    dialog.addEventListener('close', () => {
      dialog.remove();
      answer(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** The text as a sentence begins. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** 12 345 678 as 12.3 M. */
export function short(number) {
  for (const [unit, size] of [['G', 1e9], ['M', 1e6], ['k', 1e4]]) {
    if (number >= size) return `${(number / (unit === 'k' ? 1e3 : size)).toFixed(1)} ${unit}`;
  }
  return String(number);
}

/** Seconds as 1:02:03. */
export function clock(seconds) {
  const s = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, '0');
  const minutes = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return s < 3600 ? minutes : `${Math.floor(s / 3600)}:${minutes}`;
}
