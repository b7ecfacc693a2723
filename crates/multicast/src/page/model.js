// What happened in the group, and what happened before what. Pure: no page, no clock, no connection.
//
// An event comes as `{ process, incarnation, number, record }`: the record is a line of that process's trace, the number
// counts the events of one life of it. What the events say of each other is Lamport's relation: the events of a process
// follow one another, and a message is sent before it is delivered. Stamps agree with it but do not decide it.

/** Events kept; beyond it the oldest are forgotten, and counted where they are missing. */
export const EVENTS_MAX = 5000;

/** The events of one process, in their order. */
class Line {
  events = [];
  constructor(process) {
    this.process = process;
  }

  get last() {
    return this.events.at(-1);
  }
}

export class History {
  /** By process, in the order of the members. */
  lines = new Map();
  size = 0;
  /** Changes with every change. */
  version = 0;
  #max;
  #broadcasts = new Map(); // by the message's name
  #orphans = new Map(); // deliveries whose broadcast is not known (yet), by the message's name

  constructor(max = EVENTS_MAX) {
    this.#max = max;
  }

  /** Makes room for a process, so that its line is there before anything happens on it. */
  line(process) {
    let line = this.lines.get(process);
    if (!line) {
      this.lines.set(process, (line = new Line(process)));
      this.version += 1;
    }
    return line;
  }

  /** Takes an event; says null if it is known already, or older than what is known. */
  add({ process, incarnation, number, record }) {
    const line = this.line(process);
    const { last } = line;
    const sameLife = last?.incarnation === incarnation;
    if (last && (incarnation < last.incarnation || (sameLife && number <= last.number))) return null;
    const event = {
      id: `${process}/${incarnation}/${number}`,
      process,
      incarnation,
      number,
      lamport: record.lamport,
      kind: record.kind,
      ...actOf(record),
      at: record.at_us / 1000,
      record,
      /** Events of the process that are missing just before this one. */
      gap: number - 1 - (sameLife ? last.number : 0),
      /** A new life begins here. */
      isReborn: Boolean(last) && !sameLife,
      prev: last ?? null,
      next: null,
      from: null,
      to: [],
    };
    if (last) last.next = event;
    line.events.push(event);
    this.#join(event);
    this.size += 1;
    if (this.size > this.#max) this.#forgetOldest();
    this.version += 1;
    return event;
  }

  /** Draws the line from a broadcast to its deliveries, whichever is known first. */
  #join(event) {
    const { message } = event;
    if (!message) return;
    if (event.act === "broadcast") {
      this.#broadcasts.set(message, event);
      for (const delivery of this.#orphans.get(message) ?? []) {
        delivery.from = event;
        event.to.push(delivery);
      }
      this.#orphans.delete(message);
    } else if (event.act === "deliver") {
      const broadcast = this.#broadcasts.get(message);
      if (broadcast) {
        event.from = broadcast;
        broadcast.to.push(event);
      } else {
        this.#orphans.set(message, [...(this.#orphans.get(message) ?? []), event]);
      }
    }
  }

  #forgetOldest() {
    let oldest = null;
    for (const line of this.lines.values()) {
      const [head] = line.events;
      if (head && (!oldest || head.at < oldest.events[0].at)) oldest = line;
    }
    const gone = oldest.events.shift();
    gone.isForgotten = true;
    this.size -= 1;
    if (gone.next) {
      gone.next.prev = null;
      if (gone.next.incarnation === gone.incarnation) gone.next.gap += gone.gap + 1;
    }
    for (const delivery of gone.to) delivery.from = null;
    if (gone.from) gone.from.to = gone.from.to.filter((delivery) => delivery !== gone);
    if (this.#broadcasts.get(gone.message) === gone) this.#broadcasts.delete(gone.message);
    const orphans = this.#orphans.get(gone.message)?.filter((delivery) => delivery !== gone);
    if (orphans?.length) this.#orphans.set(gone.message, orphans);
    else this.#orphans.delete(gone.message);
  }

  /** All events, process by process. */
  *all() {
    for (const line of this.lines.values()) yield* line.events;
  }

  find(id) {
    for (const event of this.all()) if (event.id === id) return event;
    return null;
  }

  /** All events by `(time, process)`, Lamport's total order. */
  inOrder() {
    const place = new Map([...this.lines.keys()].map((process, index) => [process, index]));
    return [...this.all()].sort((a, b) => a.lamport - b.lamport || place.get(a.process) - place.get(b.process));
  }

  /** The lines of a trace that `lamport check` and `lamport diagram` read. */
  trace() {
    const lines = [];
    for (const event of this.all()) {
      if (event.gap) lines.push(JSON.stringify({ dropped: event.gap }));
      lines.push(JSON.stringify(event.record));
    }
    return lines.map((line) => `${line}\n`).join("");
  }
}

/** What a record says of its event: what was done, with which message. */
function actOf({ kind, label, facts }) {
  const fact = Object.assign({}, ...(facts ?? []));
  return {
    label,
    act: fact.act ?? label,
    message: fact.act && `${fact.origin}/${fact.incarnation ?? 0}/${fact.sequence}`,
    origin: fact.origin,
    /** A delivery whose receipt was an earlier event. */
    waited: fact.act === "deliver" && kind === "local",
    through: fact.through,
  };
}

/** Everything that may have caused the event. */
export const past = (event) => reach(event, (one) => [one.prev, one.from]);

/** Everything that it may have caused. */
export const future = (event) => reach(event, (one) => [one.next, ...one.to]);

function reach(event, step) {
  const reached = new Set();
  const open = [event];
  while (open.length) {
    for (const next of step(open.pop())) {
      if (!next || reached.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  return reached;
}

/** An event and how all others stand to it. */
export class Light {
  constructor(event) {
    this.event = event;
    this.past = past(event);
    this.future = future(event);
  }

  /** `itself`, `before`, `after` or `concurrent`. */
  of(event) {
    if (event === this.event) return "itself";
    if (this.past.has(event)) return "before";
    return this.future.has(event) ? "after" : "concurrent";
  }
}

/** What happened, in a sentence's words. */
export function wordsFor(event) {
  switch (event.act) {
    case "broadcast": return "sends";
    case "deliver": return event.waited ? "delivers, after waiting," : "delivers";
    case "miss": return "will never get";
    default: return event.act === "start" ? "starts" : event.act;
  }
}
