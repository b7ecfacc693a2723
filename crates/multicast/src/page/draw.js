// The diagram as SVG: draws what is in sight, and keeps what is drawn from frame to frame.

import { harmless } from "/wire.js";
import { CROWD_FROM, Crowd } from "/crowd.js";
import { ROW, TOP } from "/layout.js";
import { wordsFor } from "/model.js";

const SVG = "http://www.w3.org/2000/svg";
const COLOURS = 8;
const RADIUS = 6.5;
const LETTER = 7; // Pixels of a label's letter, on average.
const LABELS_FROM = 30; // Pixels from column to column below which there is no room for texts.
const STAMPS_FROM = 15;

/** Makes an SVG element. */
function make(name, attributes = {}, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Elements by what they show: those that a frame does not ask for are removed at its end. */
class Kept {
  #known = new Map();
  #frame = 0;

  constructor(parent, build) {
    this.parent = parent;
    this.build = build;
  }

  begin() {
    this.#frame += 1;
  }

  take(key) {
    let kept = this.#known.get(key);
    if (!kept) {
      kept = this.build(key);
      this.#known.set(key, kept);
      this.parent.append(kept.root);
    }
    kept.frame = this.#frame;
    return kept;
  }

  end() {
    for (const [key, kept] of this.#known) {
      if (kept.frame === this.#frame) continue;
      kept.root.remove();
      this.#known.delete(key);
    }
  }

}

/** Sets an attribute only when it changes: the browser would draw anew. */
function set(kept, name, value) {
  if (kept[name] === value) return;
  kept[name] = value;
  kept.root.setAttribute(name, value);
}

export class Drawing {
  #colours = new Map();

  constructor(svg = make("svg", { xmlns: SVG, class: "diagram" })) {
    this.svg = svg;
    svg.append(this.#heads());
    this.world = make("g");
    const layer = (name) => {
      const group = make("g", { class: name });
      this.world.append(group);
      return group;
    };
    this.ticks = new Kept(layer("ticks"), () => this.#tick());
    this.lines = new Kept(layer("lines"), () => ({ root: make("line", { class: "line" }) }));
    this.crowd = new Crowd(layer("crowd"), make);
    this.arrows = new Kept(layer("arrows"), (event) => this.#arrow(event));
    this.gaps = new Kept(layer("gaps"), (event) => this.#gap(event));
    this.marks = new Kept(layer("marks"), (event) => this.#mark(event));
    svg.append(this.world);
  }

  /**
   * Draws the window from `left` to `left + width`.
   * @param {object} scene - `history`, `layout`, `light` or null, `cursor` or null, the events that are `found`.
   */
  draw(scene, left, width) {
    const { history, layout, light, cursor } = scene;
    history.lines.forEach((line, process) => this.#colour(process));
    const [from, to] = [left - 60, left + width + 60];
    this.world.setAttribute("transform", `translate(${-left} 0)`);
    this.svg.classList.toggle("lit", Boolean(light));
    for (const layer of [this.ticks, this.lines, this.arrows, this.gaps, this.marks]) layer.begin();
    for (const tick of layout.ticks(from, to)) this.#showTick(tick, layout.height);
    for (const [process, y] of layout.rows) this.#showLine(process, y, left, width);
    const seen = [...inSight(history, layout, from, to)];
    if (seen.length > CROWD_FROM) this.#showCrowd(seen, scene, left);
    for (const event of seen) {
      if (seen.length <= CROWD_FROM || event === cursor || event === light?.event) this.#showMark(event, scene);
      if (event.gap || event.isReborn) this.#showGap(event);
    }
    if (seen.length <= CROWD_FROM) {
      for (const event of arriving(history, layout, from, to)) this.#showArrow(event, light);
    }
    this.crowd.show();
    for (const layer of [this.ticks, this.lines, this.arrows, this.gaps, this.marks]) layer.end();
  }

  #colour(process) {
    if (!this.#colours.has(process)) this.#colours.set(process, this.#colours.size % COLOURS);
    return this.#colours.get(process);
  }

  #heads() {
    const defs = make("defs");
    for (let colour = 0; colour < COLOURS; colour += 1) {
      const head = make("marker", { id: `head${colour}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" });
      head.append(make("path", { d: "M0 .6 8 4 0 7.4 2 4Z", class: `head p${colour}` }));
      defs.append(head);
    }
    return defs;
  }

  #tick() {
    const root = make("g");
    const rule = make("line", { class: "rule", y1: TOP - 12 });
    const text = make("text", { class: "tick", y: TOP - 20 });
    root.append(rule, text);
    return { root, rule, text };
  }

  #showTick({ x, text }, height) {
    const kept = this.ticks.take(text);
    set(kept, "transform", `translate(${x.toFixed(1)} 0)`);
    if (kept.height === height) return;
    kept.height = height;
    kept.rule.setAttribute("y2", height);
    kept.text.textContent = text;
  }

  #showLine(process, y, left, width) {
    const kept = this.lines.take(process);
    set(kept, "x1", left);
    set(kept, "x2", left + width);
    set(kept, "y1", y);
    set(kept, "y2", y);
  }

  #mark(event) {
    const root = make("g", { id: `event-${event.id}`, "data-id": event.id });
    root.append(make("circle", { class: "halo", r: RADIUS + 6 }), ...shapeOf(event));
    const stamp = make("text", { class: "stamp" }, String(event.lamport));
    const label = make("text", { class: "label" });
    root.append(stamp, label, make("title", {}, titleOf(event)));
    return { root, label, moved: { root: label }, stamp, text: harmless(event.label ?? "") };
  }

  #showMark(event, { layout, light, cursor, found }) {
    const kept = this.marks.take(event);
    set(kept, "transform", `translate(${event.x.toFixed(1)} ${event.y})`);
    const relation = light ? ` ${light.of(event)}` : "";
    const focus = event === cursor ? " cursor" : "";
    const bare = layout.step < STAMPS_FROM ? " bare" : "";
    const hit = found.has(event) ? " found" : "";
    set(kept, "class", `event ${event.act} p${this.#colour(event.process)}${relation}${focus}${hit}${bare}`);
    this.#setAside(kept, event, layout);
    this.#showLabel(kept, event, layout);
  }

  /** Stamp and text stand where no message comes or goes: above the first line, below the last, elsewhere on the other side. */
  #setAside(kept, event, layout) {
    const [first, last] = [TOP + ROW / 2, layout.height - 8 - ROW / 2];
    const isSend = event.act === "broadcast";
    const isBelow = event.y !== first && (event.y === last || (!isSend && event.from?.y < event.y));
    const place = `${isBelow} ${event.y === first || event.y === last}`;
    if (kept.place === place) return;
    kept.place = place;
    const [above, below] = [-13, 23];
    kept.stamp.setAttribute("y", isBelow ? below : above);
    const isBeside = event.y === first || event.y === last;
    kept.label.setAttribute("x", isBeside ? 10 + 4 * String(event.lamport).length : 11);
    kept.label.setAttribute("y", isBeside && !isBelow ? above : below - 1);
  }

  /** As much of the text as fits before the next event of the line; only where the message begins. */
  #showLabel(kept, event, layout) {
    // In total order the own delivery may stand close by: the text comes after it.
    const isClose = event.message && event.next?.message === event.message && event.next.x - event.x < LABELS_FROM + 10;
    const start = isClose ? event.next : event;
    set(kept.moved, "transform", `translate(${(start.x - event.x).toFixed(1)} 0)`);
    const isWanted = event.act === "broadcast" && layout.step >= LABELS_FROM;
    const room = isWanted ? ((start.next?.x ?? layout.end) - start.x - 36 - 4 * String(event.lamport).length) / LETTER : 0;
    const letters = Math.min(40, Math.floor(room));
    if (kept.letters === letters) return;
    kept.letters = letters;
    const shown = [...kept.text];
    kept.label.textContent = letters < 4 ? "" : shown.length <= letters ? kept.text : `${shown.slice(0, letters - 1).join("")}…`;
  }

  #arrow(event) {
    const root = make("path");
    if (event.waited) root.setAttribute("stroke-dasharray", "5 4");
    return { root };
  }

  #showArrow(event, light) {
    const { from } = event;
    if (from.y === undefined || event.process === from.process) return;
    const kept = this.arrows.take(event);
    const [dx, dy] = [event.x - from.x, event.y - from.y];
    const length = Math.hypot(dx, dy) || 1;
    const end = (length - RADIUS - 2.5) / length;
    set(kept, "transform", `translate(${from.x.toFixed(1)} ${from.y})`);
    set(kept, "d", `M0 0L${(dx * end).toFixed(1)} ${(dy * end).toFixed(1)}`);
    const colour = this.#colour(from.process);
    set(kept, "marker-end", `url(#head${colour})`);
    set(kept, "class", `arrow p${colour}${light ? ` ${relationOfArrow(light, event)}` : ""}`);
  }

  /** Places are told from the left edge: the numbers of a stroke are not exact far out. */
  #showCrowd(seen, { layout, light, found }, left) {
    set(this.crowd, "transform", `translate(${left} 0)`);
    const look = (process, relation) => `p${this.#colour(process)}${relation ? ` ${relation}` : ""}`;
    for (const event of seen) {
      const kind = event.act === "broadcast" ? "full " : "";
      const hit = found.has(event) ? " found" : "";
      this.crowd.dot(kind + look(event.process, light?.of(event)) + hit, event.x - left, event.y);
      const { from } = event;
      if (!from || from.process === event.process || !layout.rows.has(from.process)) continue;
      this.crowd.message(look(from.process, light && relationOfArrow(light, event)), from.x - left, from.y, event.x - left, event.y);
    }
  }

  #gap(event) {
    const root = make("g", { class: "gap" });
    const parts = [event.gap && `${event.gap} missed`, event.isReborn && "new life"];
    root.append(
      make("path", { d: `M-16 -10l5 5-5 5 5 5-5 5` }),
      make("text", { x: -14, y: ROW / 2 - 10 }, parts.filter(Boolean).join(", ")),
    );
    return { root };
  }

  #showGap(event) {
    set(this.gaps.take(event), "transform", `translate(${event.x.toFixed(1)} ${event.y})`);
  }
}

/** The events of the lines that are shown between two places. */
function* inSight(history, layout, from, to) {
  for (const process of layout.rows.keys()) {
    for (const event of history.lines.get(process).events) if (event.x >= from && event.x <= to) yield event;
  }
}

/** The deliveries whose message crosses the window. */
function* arriving(history, layout, from, to) {
  for (const process of layout.rows.keys()) {
    for (const event of history.lines.get(process).events) if (event.from && event.x >= from && event.from.x <= to) yield event;
  }
}

/** A message is lit where both of its ends are. */
function relationOfArrow(light, delivery) {
  const [start, end] = [light.of(delivery.from), light.of(delivery)];
  if (start === "concurrent" || end === "concurrent") return "concurrent";
  return end === "after" ? "after" : "before";
}

function shapeOf(event) {
  if (event.act === "broadcast") return [make("circle", { class: "shape full", r: RADIUS })];
  if (event.act === "deliver" && !event.waited) return [make("circle", { class: "shape", r: RADIUS })];
  if (event.act === "deliver") return [make("circle", { class: "shape", r: RADIUS }), make("circle", { class: "core", r: 2.5 })];
  return [make("rect", { class: "shape full", x: -4.5, y: -4.5, width: 9, height: 9, rx: 1.5 })];
}

function titleOf(event) {
  return harmless(`${event.process} at ${event.lamport} ${wordsFor(event)} ${event.message ? event.label : ""}`.trim());
}
