// A line of a log: who says what and when, or what happened.

import { Refused, element, explain, harmless } from "/wire.js";

const COLOURS = 8; // `c0` to `c7` in the style sheet.
const TOGETHER_MS = 5 * 60 * 1000; // Lines of one person within it stand under one name.
const DAY_MS = 24 * 60 * 60 * 1000;
const LINK = /https?:\/\/[^\s<>"'`\\{}]*[^\s<>"'`\\{}.,;:!?()[\]]/g; // Not the stop at the end of a sentence.

export class Line {
  #day = element("p", { class: "day" });

  constructor(item, { at, seq = null, from = null, text = "", counts = false, isForMe = false }) {
    Object.assign(this, { item, at, seq, from, text, counts, isForMe });
  }

  /** What somebody says. `me` is one's own name; what others say counts as unread. */
  static message({ from, text, at, seq, lamport, me, isPrivate = false }) {
    const isOwn = from === me;
    const isForMe = !isOwn && (isPrivate || names(text, me));
    const item = element("li", { class: isOwn ? "own" : isForMe && !isPrivate ? "mention" : "" },
      element("span", { class: `face ${colourOf(from)}`, "aria-hidden": "true" }, harmless([...from][0] ?? "")),
      element("span", { class: `from ${colourOf(from)}` }, harmless(from)),
      timeOf(at, lamport),
      element("span", { class: "text" }, ...linked(harmless(text))));
    return new Line(item, { at, seq, from, text, counts: !isOwn, isForMe });
  }

  /** What happened, or what the page has to say: with `isTrouble` something that went wrong. */
  static notice(text, { at = Date.now(), seq, isTrouble = false } = {}) {
    return new Line(element("li", { class: `notice ${isTrouble ? "trouble" : ""}` }, element("span", { class: "text" }, harmless(text)), timeOf(at)), { at, seq });
  }

  /** Said, and not confirmed yet. */
  set isPending(is) {
    this.item.classList.toggle("pending", is);
  }

  set isFirstUnread(is) {
    this.item.classList.toggle("first-unread", is);
  }

  /** It was not said, as far as is known; `again` says it again. */
  fail(error, again) {
    this.isPending = false;
    this.item.classList.add("trouble");
    const what = error instanceof Refused ? "not sent" : "perhaps not sent";
    this.item.append(element("span", { class: "note" }, `${what}: ${explain(error)} `, element("button", { type: "button", onclick: again }, "Send again")));
  }

  /** Shows the day where it begins, and the name only where another person begins or some time has passed. */
  comesAfter(before) {
    const isSameDay = before && dayOf(before.at) === dayOf(this.at);
    if (isSameDay) this.#day.remove();
    else {
      this.#day.textContent = nameOfDay(this.at);
      this.item.prepend(this.#day);
    }
    const isTogether = isSameDay && this.from !== null && before.from === this.from && this.at - before.at < TOGETHER_MS;
    this.item.classList.toggle("together", Boolean(isTogether));
  }
}

/** Whether a text speaks of a person: the name, not as a part of a word. */
function names(text, name) {
  const at = text.toLowerCase().indexOf(name.toLowerCase());
  if (at < 0) return false;
  const isLetter = (letter) => /[\p{L}\p{N}]/u.test(letter ?? "");
  return !isLetter(text[at - 1]) && !isLetter(text[at + name.length]);
}

/** The same person has the same colour on every page. */
function colourOf(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 65521;
  return `c${sum % COLOURS}`;
}

/** The parts of a text: addresses of the web as links that show themselves, all else as it is. */
function linked(text) {
  const parts = [];
  let end = 0;
  for (const { 0: address, index } of text.matchAll(LINK)) {
    parts.push(text.slice(end, index), element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, address));
    end = index + address.length;
  }
  return [...parts, text.slice(end)];
}

function timeOf(at, lamport) {
  const time = new Date(at);
  const stamp = lamport ? `, Lamport time ${lamport}` : "";
  return element("time", { datetime: time.toISOString(), title: `${time.toLocaleString()}${stamp}` },
    time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
}

function dayOf(at) {
  return new Date(at).toDateString();
}

function nameOfDay(at) {
  if (dayOf(at) === dayOf(Date.now())) return "Today";
  if (dayOf(at) === dayOf(Date.now() - DAY_MS)) return "Yesterday";
  return new Date(at).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}
