// What stands around the diagram: the event that is lit, in words; the table; the deliveries; the members.

import { element, harmless } from "/wire.js";
import { wordsFor } from "/model.js";

const ROWS = 200; // Rows of the table, and deliveries: more than anybody reads.
const TABLE_EVERY_MS = 500;
const SUMMARY_EVERY_MS = 4000;
const $ = (id) => document.getElementById(id);
const text = (value) => element("bdi", {}, harmless(String(value)));

export function clockTime(at) {
  const time = new Date(at);
  return `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

/** Says an event in a sentence: `P2 at 4 delivers “Olá” from P1`. */
export function sentence(event) {
  const from = event.origin && event.act === "deliver" ? ` from ${event.origin}` : "";
  const what = event.message ? ` “${event.label}”${from}` : "";
  return harmless(`${event.process} at ${event.lamport} ${wordsFor(event)}${what}`);
}

/** What a screen reader hears of the event that is lit. */
export function summaryOf({ event, past, future }, history) {
  return `Lit: ${sentence(event)}; ${past.size} before it, ${future.size} after it, ${concurrentTo({ past, future }, history)} concurrent`;
}

function concurrentTo({ past, future }, history) {
  return history.size - past.size - future.size - 1;
}

/** The event that is lit, with how the others stand to it. */
export function showDetails(light, history, select) {
  const panel = $("details");
  if (!light) {
    panel.replaceChildren(element("p", { class: "faint" }, "Choose an event: what may have caused it, and what it may have caused, is lit."));
    return;
  }
  const { event } = light;
  const row = (name, value) => (value === undefined || value === null ? [] : [element("dt", {}, name), element("dd", {}, value)]);
  const link = (other) => element("button", { class: "link", onclick: () => select(other) }, sentence(other));
  const links = (others) => element("ul", {}, ...others.slice(0, 12).map((other) => element("li", {}, link(other))));
  panel.replaceChildren(
    element("p", { class: "sentence" }, sentence(event)),
    element("p", { class: "cone" },
      element("span", { class: "before" }, `${light.past.size} before it`), " ",
      element("span", { class: "after" }, `${light.future.size} after it`), " ",
      element("span", { class: "beside" }, `${concurrentTo(light, history)} concurrent`)),
    element("dl", {},
      ...row("Lamport time", String(event.lamport)),
      ...row("Event", `number ${event.number} of ${event.process}’s life of ${clockTime(event.incarnation)}`),
      ...row("Message", event.message && text(event.message)),
      ...row("Text", event.message && text(event.label)),
      ...row("Time of day", clockTime(event.at)),
      ...row("Sent as", event.from && link(event.from)),
      ...row("Delivered as", event.to.length ? links(event.to) : null)),
  );
}

/** The events as a table: what the diagram shows, for those who cannot see it. */
export class Table {
  #history;
  #view;
  #timer = null;

  constructor(history, view) {
    this.#history = history;
    this.#view = view;
  }

  /** Draws soon, if it is open. */
  refresh() {
    if ($("table").hidden || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.draw();
    }, TABLE_EVERY_MS);
  }

  draw() {
    const { light, hidden } = this.#view;
    const events = this.#history.inOrder().filter((event) => !hidden.has(event.process));
    const shown = events.slice(-ROWS);
    const row = (event) =>
      element("tr", { class: light?.of(event), "data-id": event.id },
        element("td", {}, element("button", { class: "link", onclick: () => this.#view.select(event) }, String(event.lamport))),
        element("td", {}, event.process),
        element("td", {}, wordsFor(event)),
        element("td", {}, event.message ? text(event.label) : ""),
        element("td", {}, event.origin ?? ""),
        element("td", {}, clockTime(event.at)),
        element("td", {}, light ? light.of(event) : ""));
    $("table-note").textContent = events.length > shown.length ? `The latest ${shown.length} of ${events.length} events.` : `${events.length} events.`;
    $("rows").replaceChildren(...shown.map(row));
  }
}

/** What this peer delivered, the latest last; each message once, whoever told it first. */
export class Deliveries {
  #known = new Map();

  /** The whole text replaces a shortened one. */
  add({ message, from, data, lamport, at }, isWhole) {
    const known = this.#known.get(message);
    if (known) {
      if (isWhole) known.textContent = harmless(data);
      return false;
    }
    const list = $("deliveries");
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const shown = element("bdi", {}, harmless(data));
    list.append(element("li", { "data-message": message },
      element("span", { class: "stamp", title: "Lamport time of the delivery" }, String(lamport)),
      element("span", { class: "from" }, from), shown,
      element("time", { datetime: new Date(at).toISOString() }, clockTime(at).slice(0, 8))));
    this.#known.set(message, shown);
    if (this.#known.size > ROWS) {
      const [oldest] = this.#known.keys();
      this.#known.delete(oldest);
      list.firstElementChild.remove();
    }
    if (isAtEnd) list.scrollTop = list.scrollHeight;
    $("no-deliveries").hidden = true;
    return true;
  }
}

/** Tells a screen reader now and then what came, instead of every message. */
export class Summary {
  #count = 0;
  #last = "";
  #timer = null;

  note(delivery) {
    this.#count += 1;
    this.#last = `${delivery.from}: ${harmless(delivery.data)}`;
    this.#timer ??= setTimeout(() => {
      $("summary").textContent = this.#count === 1 ? `Delivered from ${this.#last}` : `${this.#count} messages delivered, the last from ${this.#last}`;
      this.#count = 0;
      this.#timer = null;
    }, SUMMARY_EVERY_MS);
  }
}

const STATES = { self: "this peer", up: "connected", suspected: "silent", down: "away" };

/** A switch for each member: its line is shown or not. */
export function showMembers(status, tracing, hidden, toggle) {
  const list = $("members");
  status.members.forEach((member, index) => {
    const state = STATES[member.state] ?? member.state;
    const untold = tracing.get(member.id)?.state === "lost" ? ", its events are not told" : "";
    let button = list.children[index]?.firstElementChild;
    if (!button) {
      button = element("button", { class: `member p${index % 8}`, onclick: () => toggle(member.id) },
        element("span", { class: "dot" }), element("b", {}, member.id), " ", element("span", { class: "how" }));
      list.append(element("li", {}, button));
    }
    button.setAttribute("aria-pressed", String(!hidden.has(member.id)));
    button.classList.toggle("away", member.state === "down" || member.state === "suspected");
    button.title = `${member.id} at ${member.address}: ${state}${untold}. Press to show or hide its line.`;
    button.lastElementChild.textContent = state + untold;
  });
}
