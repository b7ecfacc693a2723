// The diagram as something to look at and to move in: scrolls, zooms, follows, and lights an event's past and future.

import { Drawing } from "/draw.js";
import { Layout } from "/layout.js";
import { Light } from "/model.js";

const NEAR = 22; // Pixels around an event that count as it: a fingertip.
const ZOOM = 1.4;
const DRAG_FROM = 4; // Pixels that a mouse moves before a click becomes a drag.

export class View extends EventTarget {
  layout = new Layout();
  hidden = new Set();
  light = null;
  cursor = null;
  /** Events that are looked for. */
  found = new Set();
  follows = true;
  #history;
  #scroller;
  #sizer;
  #drawing;
  #placed = -1;
  #position = 0;
  #isAsked = false;
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  /** @param scroller - the element that scrolls; it holds an element that gives the width, and in it the SVG. */
  constructor(history, scroller) {
    super();
    this.#history = history;
    this.#scroller = scroller;
    this.#sizer = scroller.firstElementChild;
    this.#drawing = new Drawing(scroller.querySelector("svg"));
    scroller.addEventListener("scroll", () => this.#scrolled());
    scroller.addEventListener("pointerdown", (event) => this.#grabbed(event));
    scroller.addEventListener("click", (event) => this.#clicked(event));
    scroller.addEventListener("keydown", (event) => this.#pressed(event));
    scroller.addEventListener("wheel", (event) => this.#wheeled(event), { passive: false });
    new ResizeObserver(() => this.refresh()).observe(scroller);
  }

  /** Something changed: places and draws with the next frame. */
  refresh() {
    this.#placed = -1;
    this.ask();
  }

  /** Draws with the next frame. */
  ask() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      this.#frame();
    });
  }

  setAxis(axis) {
    this.layout.axis = axis;
    this.layout.zoom = null;
    this.refresh();
  }

  zoom(factor, at = this.#scroller.clientWidth / 2) {
    const step = this.layout.step;
    this.layout.zoomBy(factor);
    this.#placed = -1;
    this.#place();
    const grown = this.layout.step / step;
    if (!this.follows) this.#moveTo((this.#position + at) * grown - at);
    this.#frame();
  }

  zoomIn = () => this.zoom(ZOOM);
  zoomOut = () => this.zoom(1 / ZOOM);

  /** All of it at once, as far as it goes. */
  fit = () => {
    this.layout.fit();
    this.follow();
    this.refresh();
  };

  follow() {
    this.follows = true;
    this.#tell("moved");
    this.ask();
  }

  /** Lights an event, or none. */
  select(event) {
    this.light = event && new Light(event);
    if (event) this.cursor = event;
    this.#tell("selected");
    this.ask();
  }

  /** Brings an event into sight. */
  show(event) {
    this.#place();
    const x = event.x - this.layout.origin;
    const { clientWidth } = this.#scroller;
    if (x < this.#position + 80 || x > this.#position + clientWidth - 60) {
      this.follows = false;
      this.#moveTo(x - clientWidth / 2);
      this.#tell("moved");
    }
    this.#frame();
  }

  /** The whole diagram as a picture that stands alone. */
  picture(style) {
    this.#frame();
    const { layout } = this;
    const drawing = new Drawing();
    const [width, height] = [Math.ceil(layout.width), layout.height + 4];
    drawing.draw({ history: this.#history, layout, light: this.light, cursor: null, found: this.found }, layout.origin, width);
    const { svg } = drawing;
    const names = 70;
    const attributes = { viewBox: `${-names} 0 ${width + names} ${height}`, width: width + names, height, role: "img" };
    for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value);
    const made = (name, text) => {
      const element = document.createElementNS(svg.namespaceURI, name);
      element.textContent = text;
      return element;
    };
    const paper = made("rect", "");
    for (const [name, value] of Object.entries({ class: "paper", x: -names, width: width + names, height })) paper.setAttribute(name, value);
    svg.prepend(made("style", style), paper);
    for (const [process, y] of layout.rows) {
      const name = made("text", process);
      for (const [key, value] of Object.entries({ class: "name", x: 12 - names, y: y + 5 })) name.setAttribute(key, value);
      svg.append(name);
    }
    return new XMLSerializer().serializeToString(svg);
  }

  #tell(what) {
    this.dispatchEvent(new Event(what));
  }

  /** Whoever places draws in the same turn: a click is looked up among the events' places, and means what is drawn. */
  #place() {
    const { version } = this.#history;
    if (this.#placed === version) return;
    this.#placed = version;
    const { layout } = this;
    const origin = layout.origin;
    layout.place(this.#history, this.hidden, this.#scroller.clientWidth);
    this.#sizer.style.width = `${layout.width}px`;
    this.#drawing.svg.style.height = this.#sizer.style.height = `${layout.height}px`;
    // What is looked at stays where it is when older columns are forgotten.
    if (!this.follows) this.#moveTo(this.#position - (layout.origin - origin));
    if (this.light?.event.isForgotten) this.select(null);
    if (this.cursor?.isForgotten) this.cursor = null;
    this.#tell("placed");
  }

  #frame() {
    this.#place();
    if (this.light) this.light = new Light(this.light.event);
    const { clientWidth } = this.#scroller;
    if (this.follows) this.#approach(Math.max(0, this.layout.width - clientWidth));
    this.#drawing.svg.setAttribute("width", clientWidth);
    const { layout, light, cursor, found } = this;
    this.#drawing.draw({ history: this.#history, layout, light, cursor, found }, layout.origin + this.#position, clientWidth);
  }

  /** A part of the way with each frame, so that the eye can follow. */
  #approach(end) {
    const left = end - this.#position;
    if (this.#calm.matches || Math.abs(left) < 1 || left > 3 * this.#scroller.clientWidth) return this.#moveTo(end);
    this.#moveTo(this.#position + left * 0.22);
    this.ask();
  }

  #moveTo(position) {
    const end = Math.max(0, this.layout.width - this.#scroller.clientWidth);
    this.#position = Math.min(Math.max(0, position), end);
    this.#scroller.scrollLeft = this.#position;
  }

  #scrolled() {
    const { scrollLeft, clientWidth } = this.#scroller;
    if (Math.abs(scrollLeft - this.#position) < 2) return;
    this.#position = scrollLeft;
    this.follows = scrollLeft >= this.layout.width - clientWidth - 4;
    this.#tell("moved");
    this.ask();
  }

  /** A mouse drags the diagram along; a finger does so by itself. */
  #grabbed({ pointerType, button, clientX: from }) {
    if (pointerType !== "mouse" || button !== 0) return;
    const position = this.#position;
    const end = new AbortController();
    const { signal } = end;
    let isDrag = false;
    addEventListener("pointermove", ({ clientX }) => {
      isDrag ||= Math.abs(clientX - from) >= DRAG_FROM;
      if (isDrag) this.#scroller.scrollLeft = position + from - clientX;
    }, { signal });
    addEventListener("pointerup", () => {
      end.abort();
      // The click that ends a drag means no event; it comes at once or not at all.
      if (!isDrag) return;
      const ignore = (event) => event.stopImmediatePropagation();
      addEventListener("click", ignore, { capture: true, once: true });
      setTimeout(() => removeEventListener("click", ignore, { capture: true }));
    }, { signal });
  }

  #clicked({ clientX, clientY }) {
    const box = this.#scroller.getBoundingClientRect();
    const [x, y] = [clientX - box.left + this.#position + this.layout.origin, clientY - box.top];
    let [nearest, least] = [null, NEAR];
    for (const event of this.#shown()) {
      const distance = Math.hypot(event.x - x, event.y - y);
      if (distance < least) [nearest, least] = [event, distance];
    }
    this.select(nearest === this.light?.event ? null : nearest);
  }

  *#shown() {
    for (const process of this.layout.rows.keys()) yield* this.#history.lines.get(process).events;
  }

  #wheeled(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.clientX - this.#scroller.getBoundingClientRect().left);
  }

  #pressed(event) {
    const keys = {
      ArrowRight: () => this.#step("next"),
      ArrowLeft: () => this.#step("prev"),
      ArrowDown: () => this.#changeLine(1),
      ArrowUp: () => this.#changeLine(-1),
      Home: () => this.point(this.#line()?.events[0]),
      End: () => this.point(this.#line()?.last),
      Enter: () => this.select(this.cursor === this.light?.event ? null : this.cursor),
      " ": () => this.select(this.cursor === this.light?.event ? null : this.cursor),
      Escape: () => this.select(null),
      "+": this.zoomIn,
      "-": this.zoomOut,
      0: this.fit,
    };
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  #line() {
    const [first] = this.layout.rows.keys();
    const process = this.layout.rows.has(this.cursor?.process) ? this.cursor.process : first;
    return this.#history.lines.get(process);
  }

  #step(way) {
    if (this.cursor && this.layout.rows.has(this.cursor.process)) this.point(this.cursor[way] ?? this.cursor);
    else this.point(this.#line()?.last);
  }

  /** To the nearest event of the line above or below. */
  #changeLine(by) {
    const rows = [...this.layout.rows.keys()];
    const at = rows.indexOf(this.#line()?.process);
    const line = this.#history.lines.get(rows[Math.min(rows.length - 1, Math.max(0, at + by))]);
    const x = this.cursor?.x ?? Infinity;
    const nearer = (one, other) => (Math.abs(other.x - x) < Math.abs(one.x - x) ? other : one);
    if (line?.events.length) this.point(line.events.reduce(nearer));
  }

  /** Puts the cursor on an event, and brings it into sight. */
  point(event) {
    if (!event) return;
    this.cursor = event;
    this.show(event);
    this.#tell("pointed");
  }
}
