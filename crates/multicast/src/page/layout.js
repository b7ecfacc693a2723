// Where things stand in the diagram. Pure: time runs to the right, a line for each process.
//
// Columns are the Lamport times that occur (`logical`), or wall time is measured (`clock`). A column never moves to the left,
// so that what was drawn can stay where it is: `origin` is where the oldest known column stands now.

export const TOP = 46; // Pixels above the first line: the axis.
export const ROW = 84; // Pixels from line to line.
const PAD = 40; // Pixels before the first column.
const END = 150; // Pixels after the last one, for its text.
const ASIDE = 30; // Pixels from the last event of a life to the first of the next, at most.
const STEP = { least: 5, usual: 68, most: 170 }; // Pixels from column to column.
const SCALE = { least: 0.002, usual: 0.12, most: 8 }; // Pixels a millisecond.
const WIDTH_MAX = 12_000_000; // Pixels; browsers end somewhat above it.

export class Layout {
  axis = "logical";
  /** Set by the viewer; null: as wide as there is room. */
  zoom = null;
  rows = new Map();
  origin = 0;
  width = 0;
  #times = [];
  #rank = new Map();
  #forgotten = 0;
  #firstAt = null;
  #step = STEP.usual;
  #scale = SCALE.usual;
  #fitting = STEP.usual;

  /** Places all events: sets `x` and `y` of each. `room` is the width that is seen. */
  place(history, hidden, room) {
    this.rows.clear();
    for (const process of history.lines.keys()) {
      if (!hidden.has(process)) this.rows.set(process, TOP + ROW * (this.rows.size + 0.5));
    }
    if (this.axis === "logical") this.#byTime(history, room);
    else this.#byClock(history, room);
    for (const line of history.lines.values()) {
      const y = this.rows.get(line.process);
      for (const event of line.events) {
        // The clock of a new life begins at 0, and yet that life comes after the former one.
        const least = event.prev ? event.prev.x + Math.min(this.step / 2, ASIDE) : -Infinity;
        event.x = this.#x(event);
        if (event.x < least && event.prev.lamport >= event.lamport) event.x = least;
        event.y = y;
      }
    }
  }

  /** Where the diagram ends. */
  get end() {
    return this.origin + this.width;
  }

  get height() {
    return TOP + ROW * Math.max(this.rows.size, 1) + 8;
  }

  /** Pixels from one column to the next, as a measure of how much fits. */
  get step() {
    return this.axis === "logical" ? this.#step : 1000 * this.#scale;
  }

  zoomBy(factor) {
    const { least, most } = this.axis === "logical" ? STEP : SCALE;
    const now = this.axis === "logical" ? this.#step : this.#scale;
    this.zoom = Math.min(most, Math.max(least, now * factor));
  }

  /** So close together that all of it can be seen, as far as it goes. */
  fit() {
    const { least, most } = this.axis === "logical" ? STEP : SCALE;
    this.zoom = Math.min(most, Math.max(least, this.#fitting));
  }

  /** The marks of the axis between two places: where, and what it says. */
  ticks(from, to) {
    return this.axis === "logical" ? this.#timeTicks(from, to) : this.#clockTicks(from, to);
  }

  #x(event) {
    if (this.axis === "clock") return PAD + (event.at - this.#firstAt) * this.#scale;
    return PAD + (this.#forgotten + this.#rank.get(event.lamport)) * this.#step;
  }

  #byTime(history, room) {
    const known = new Set();
    for (const event of history.all()) known.add(event.lamport);
    const times = [...known].sort((a, b) => a - b);
    this.#forgotten += countBelow(this.#times, times[0] ?? Infinity);
    if (!times.length) this.#forgotten = 0;
    this.#times = times;
    this.#rank = new Map(times.map((time, rank) => [time, rank]));
    this.#fitting = (room - PAD - END) / Math.max(times.length - 1, 1);
    this.#step = this.zoom ?? Math.min(STEP.most, Math.max(STEP.usual, this.#fitting));
    this.origin = this.#forgotten * this.#step;
    this.width = PAD + END + Math.max(times.length - 1, 0) * this.#step;
  }

  #byClock(history, room) {
    let [first, last] = [Infinity, -Infinity];
    for (const { at } of history.all()) {
      first = Math.min(first, at);
      last = Math.max(last, at);
    }
    if (first > last) [first, last] = [0, 0];
    this.#firstAt ??= first;
    this.#fitting = (room - PAD - END) / Math.max(last - first, 1);
    const wanted = this.zoom ?? Math.min(SCALE.most, Math.max(SCALE.usual, this.#fitting));
    this.#scale = Math.min(wanted, WIDTH_MAX / Math.max(last - first, 1));
    this.origin = (first - this.#firstAt) * this.#scale;
    this.width = PAD + END + (last - first) * this.#scale;
  }

  #timeTicks(from, to) {
    const every = Math.max(1, 2 ** Math.ceil(Math.log2(26 / this.#step)));
    const first = Math.max(0, Math.floor((from - PAD) / this.#step) - this.#forgotten);
    const ticks = [];
    for (let rank = first; rank < this.#times.length; rank += 1) {
      const x = PAD + (this.#forgotten + rank) * this.#step;
      if (x > to) break;
      if ((this.#forgotten + rank) % every === 0) ticks.push({ x, text: String(this.#times[rank]) });
    }
    return ticks;
  }

  #clockTicks(from, to) {
    const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 18e5, 36e5, 216e5];
    const step = steps.find((step) => step * this.#scale >= 110) ?? steps.at(-1);
    const at = (x) => this.#firstAt + (x - PAD) / this.#scale;
    const ticks = [];
    for (let time = Math.ceil(at(from) / step) * step; time <= at(to); time += step) {
      const text = new Date(time).toTimeString().slice(0, 8) + (step < 1000 ? `.${String(Math.round(time % 1000)).padStart(3, "0")}` : "");
      ticks.push({ x: PAD + (time - this.#firstAt) * this.#scale, text });
    }
    return ticks;
  }
}

/** How many of the sorted numbers are smaller. */
function countBelow(sorted, bound) {
  let count = 0;
  while (count < sorted.length && sorted[count] < bound) count += 1;
  return count;
}
