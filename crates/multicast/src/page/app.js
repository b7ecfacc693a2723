// The page of a peer: its group's space-time diagram as it grows, and a field to send from here.

import { element, harmless } from "/wire.js";
import { ConnectionState } from "/state.js";
import { Feed } from "/feed.js";
import { Find } from "/find.js";
import { History } from "/model.js";
import { View } from "/view.js";
import { Deliveries, Summary, Table, sentence, showDetails, showMembers, summaryOf } from "/panels.js";

const $ = (id) => document.getElementById(id);
const history = new History();
const view = new View(history, $("scroller"));
const table = new Table(history, view);
const find = new Find(history, view);
const state = new ConnectionState($("state"), () => feed.tryNow());
const deliveries = new Deliveries();
const summary = new Summary();
const tracing = new Map();
let me = null;
let status = null;
let missed = 0;
let hasMessages = false;

const feed = new Feed({
  event: takeEvent,
  delivered: ({ message, from, data, received, at }) => note({ message, from, data, lamport: received, at }, true),
  missed: ({ first, last }) => {
    missed += last - first + 1;
    showCounts();
  },
  tracing: (process, told) => {
    tracing.set(process, told);
    if (status) drawMembers();
  },
  status: takeStatus,
  connected: () => state.connected("live"),
  lost: (pause) => state.lost(pause),
  held: (count) => ($("held").textContent = count ? `${count} waiting` : ""),
  trouble: ({ message, hint }) => say(hint ? `${message} (${hint})` : message),
});

// --- What comes ---

function takeEvent(told) {
  const event = history.add(told);
  if (!event) return;
  hasMessages ||= Boolean(event.message);
  const isDelivery = event.act === "deliver" || (event.act === "broadcast" && event.record.facts.some((fact) => fact.delivered));
  if (event.process === me) showClock(event.lamport);
  if (event.process === me && isDelivery) {
    note({ message: event.message, from: event.origin, data: event.label, lamport: event.lamport, at: event.at }, false);
  }
  changed();
}

function note(delivery, isWhole) {
  if (deliveries.add(delivery, isWhole)) summary.note(delivery);
}

function takeStatus(told) {
  status = told;
  if (!me) {
    me = told.process;
    $("me").textContent = me;
    document.title = `${me} – multicast`;
    $("order").textContent = `${told.order} order`;
    for (const { id } of told.members) history.line(id);
    changed();
  }
  showClock(told.lamport);
  $("waits").textContent = told.waiting?.length ? `total order waits for ${told.waiting.join(", ")}` : "";
  drawMembers();
}

/** The latest time known of this peer's clock; events may tell more than the last status. */
function showClock(time) {
  $("clock").value = Math.max(Number($("clock").value), time);
}

function changed() {
  showCounts();
  view.ask();
  find.refresh();
  table.refresh();
}

// --- What stands around ---

function showCounts() {
  $("events").textContent = `${history.size} events`;
  $("missed").textContent = missed ? `${missed} missed` : "";
}

function drawMembers() {
  showMembers(status, tracing, view.hidden, (id) => {
    if (!view.hidden.delete(id)) view.hidden.add(id);
    drawMembers();
    view.refresh();
    find.refresh();
    table.draw();
  });
}

/** The names of the lines stay in sight while the lines scroll. */
function drawNames() {
  const names = [...view.layout.rows].map(([process, y]) => {
    const index = [...history.lines.keys()].indexOf(process);
    const name = element("li", { class: `p${index % 8}` }, process);
    name.style.top = `${y}px`;
    return name;
  });
  $("names").replaceChildren(...names);
}

function say(words) {
  $("send-state").textContent = harmless(words);
}

let namesDrawn = "";
view.addEventListener("placed", () => {
  const key = [...view.layout.rows].join();
  if (key !== namesDrawn) drawNames();
  namesDrawn = key;
  $("empty").hidden = hasMessages;
});
view.addEventListener("moved", () => {
  $("follow").setAttribute("aria-pressed", String(view.follows));
});
view.addEventListener("pointed", () => ($("pointed").textContent = sentence(view.cursor)));
view.addEventListener("selected", () => {
  showDetails(view.light, history, select);
  $("lit").textContent = view.light ? summaryOf(view.light, history) : "";
  if (!$("table").hidden) table.draw();
});
showDetails(null, history, select);

function select(event) {
  view.show(event);
  view.select(event);
}

// --- What can be done ---

$("pause").addEventListener("click", () => {
  feed.pause(!feed.isPaused);
  $("pause").setAttribute("aria-pressed", String(feed.isPaused));
  $("pause").textContent = feed.isPaused ? "Resume" : "Pause";
  if (!feed.isPaused) changed();
});
$("follow").addEventListener("click", () => view.follow());
$("zoom-in").addEventListener("click", view.zoomIn);
$("zoom-out").addEventListener("click", view.zoomOut);
$("fit").addEventListener("click", view.fit);
$("axis").addEventListener("change", ({ target }) => view.setAxis(target.value));
$("show-table").addEventListener("click", () => {
  const isHidden = $("table").toggleAttribute("hidden");
  $("show-table").setAttribute("aria-expanded", String(!isHidden));
  table.draw();
});
$("save-svg").addEventListener("click", () => save("svg", "image/svg+xml", view.picture(diagramStyle())));
$("save-json").addEventListener("click", () => save("jsonl", "application/x-ndjson", history.trace()));

function save(ending, type, content) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  element("a", { href: address, download: `${me}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The diagram's own style sheet, for a picture that stands alone. */
function diagramStyle() {
  const sheet = [...document.styleSheets].find(({ href }) => href?.endsWith("/diagram.css"));
  return [...sheet.cssRules].map((rule) => rule.cssText).join("\n");
}

$("send").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = $("text");
  const data = field.value;
  if (!data.trim()) return;
  field.value = "";
  say("sending…");
  try {
    const { stamp } = await feed.send(data);
    say(`sent at ${stamp}`);
  } catch (error) {
    if (!field.value) field.value = data;
    say(error.code ? `not sent: ${error.message}` : `${error.message}: it may have been sent`);
  }
});
