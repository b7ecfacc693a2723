// Somewhere to talk: a room, or a private conversation (`@Ana`).

import { Line } from "/line.js";

const LINES_MAX = 2000; // Lines kept on the page; older ones are in the history.

export class Place {
  seq = 0; // The last number known; everything up to it has been seen or given up.
  first = null; // The smallest number shown; older ones are in the history.
  hasOlder = false;
  hasHole = false; // Of what was said while the connection was lost, not everything is known.
  unread = 0;
  isUrgent = false; // Something unread is for me.
  draft = "";
  lines = [];
  people = new Set();

  constructor(name, isRoom) {
    this.name = name;
    this.isRoom = isRoom;
  }

  /** Who a private conversation is with. */
  get other() {
    return this.name.slice(1);
  }

  /** The connection was lost: the replay will tell what is said meanwhile. */
  leaveOff() {
    this.hasHole = false;
  }

  /** Some of what was said will not be told. */
  lag() {
    this.hasHole = true;
  }

  /** Entered again, with the number `seq`. A hub that has forgotten the room counts anew, and everything in it is news. */
  takeUp(seq) {
    if (seq > this.seq) return;
    this.seq = 0;
    this.hasHole = true;
  }

  /** Puts a line at the end. */
  append(line) {
    line.comesAfter(this.lines.at(-1));
    this.lines.push(line);
    if (this.lines.length <= LINES_MAX) return;
    this.lines.shift().item.remove();
    this.lines[0].comesAfter(undefined);
    this.first = this.lines.find(({ seq }) => seq)?.seq ?? this.first;
    this.hasOlder = this.isRoom;
  }

  /** Puts older lines before all others. */
  prepend(lines) {
    this.lines.unshift(...lines);
    lines.forEach((line, place) => line.comesAfter(lines[place - 1]));
    this.lines[lines.length]?.comesAfter(lines.at(-1));
  }

  remove(line) {
    const place = this.lines.indexOf(line);
    this.lines.splice(place, 1);
    line.item.remove();
    this.lines[place]?.comesAfter(this.lines[place - 1]);
  }

  /** Marks where the lines begin that nobody has read. */
  markUnread() {
    const counted = this.lines.filter(({ counts }) => counts);
    this.markFrom(this.unread ? counted.at(-Math.min(this.unread, counted.length)) : undefined);
  }

  /** Marks this line as the first that nobody has read; none if it is missing. */
  markFrom(first) {
    for (const line of this.lines) line.isFirstUnread = line === first;
  }

  /** Who is here changes with what happens. */
  follow({ event, name, to }) {
    if (event === "entered") this.people.add(name);
    if (event === "left") this.people.delete(name);
    if (event === "renamed" && this.people.delete(name)) this.people.add(to);
  }
}

/** What a room's log tells, as a line; `me` is one's own name. */
export function lineOf(event, me) {
  const { at, seq, lamport } = event;
  switch (event.event) {
    case "said": return Line.message({ from: event.from, text: event.text, at, seq, lamport, me });
    case "entered": return Line.notice(`${event.name} entered`, { at, seq });
    case "left": return Line.notice(`${event.name} left${LEFT[event.reason] ?? ""}`, { at, seq });
    case "renamed": return Line.notice(`${event.name} is now ${event.to}`, { at, seq });
    default: return Line.notice(event.event, { at, seq });
  }
}

const LEFT = { lost: " (connection lost)", timeout: " (timed out)", slow: " (too slow)" };
