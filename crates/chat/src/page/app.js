// The chat as a page: rooms, private conversations, history, names, unread marks. Comes back after a lost connection
// without a gap or a double, like chat-client does.

import { Wire, Refused, element, explain, harmless, showState, tryingAgain } from "/wire.js";

const HISTORY_LIMIT = 50;
const LOG_MAX = 2000; // Lines kept on the page; older ones are in the history.
/** Refusals that pass by themselves: who comes back may be let in a little later. */
const PASSING = new Set([
  "rate_limited",
  "shutting_down",
  "too_many_connections",
  "internal",
  "busy",
  "name_taken",
  "too_many_rooms",
  "history_unavailable",
]);
const $ = (id) => document.getElementById(id);

/** Somewhere to talk: a room, or a private conversation (`@Ana`). */
class Place {
  constructor(name, isRoom) {
    this.name = name;
    this.isRoom = isRoom;
    this.seq = 0; // The last number known; everything up to it has been seen or given up.
    this.first = null; // The smallest number shown; older ones are in the history.
    this.unread = 0;
    this.lines = [];
    this.people = new Set();
  }
}

let wire = null;
let me = null; // { name, token, password }
let current = null;
const places = new Map();
/** Says without a reply, in the order of their sending: { place, text, line }. */
let unconfirmed = [];

// --- Joining, and coming back ---

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  me = { name: form.get("name").trim(), password: form.get("password") || undefined };
  const lobby = form.get("room").trim();
  $("join-error").textContent = "";
  wire?.close();
  wire = new Wire({
    open: () => (me.token ? comeBack() : join(lobby)),
    event: receive,
    lost: (pause, why) => showState(tryingAgain(pause, why), true),
    clock: (time) => ($("clock").value = time),
  });
});

async function join(room) {
  try {
    const joined = await wire.request("join", { name: me.name, password: me.password, room });
    me.name = joined.name;
    me.token = joined.token;
    $("door").hidden = true;
    $("chat").hidden = false;
    showState("connected", false);
    arrive(joined);
    show(places.get(joined.room));
    $("text").focus();
  } catch (error) {
    wire.close();
    $("join-error").textContent = explain(error);
  }
}

/** Takes up every room where it was left; then sends again what the replay shows was not carried out. */
async function comeBack() {
  const rooms = [...places.values()].filter((place) => place.isRoom);
  const lost = unconfirmed;
  try {
    const [first, ...others] = rooms;
    const joined = await wire.request("join", { name: me.name, token: me.token, password: me.password, room: first?.name, since: first?.seq });
    me.token = joined.token;
    await Promise.all(others.map((room) => wire.request("enter", { room: room.name, since: room.seq })));
    // Replies come in order, so the replays are through once this one is there.
    await Promise.all(rooms.map(readPeople));
  } catch (error) {
    if (!(error instanceof Refused)) return;
    if (PASSING.has(error.code)) return wire.retry(harmless(error.message));
    notice(current, `could not come back: ${explain(error)}`, "trouble");
    showState("not connected", true);
    return;
  }
  showState("connected", false);
  const again = lost.filter((say) => unconfirmed.includes(say));
  unconfirmed = unconfirmed.filter((say) => !again.includes(say));
  for (const say of again) send(say);
}

// --- What arrives ---

function receive(event) {
  switch (event.event) {
    case "told":
      return receiveTold(event);
    case "lagged":
      return notice(places.get(event.room), `${event.missed} messages were missed; older ones are in the history`);
    case "error":
      // Coming back would take the name back, and back again.
      if (event.code === "taken_over") {
        wire.close();
        showState("not connected", true);
      }
      return notice(current, explain(event), "trouble");
    default: {
      const place = places.get(event.room);
      if (!place || event.seq <= place.seq) return;
      place.seq = event.seq;
      if (event.event === "said" && event.from === me.name && confirmFirst(place, event)) return;
      follow(place, event);
      add(place, lineOf(event), event.event === "said");
    }
  }
}

function receiveTold({ from, text, at }) {
  add(conversation(from), messageLine(from, text, at), true);
}

/** Who is here changes with what happens. */
function follow(place, event) {
  if (event.event === "entered") place.people.add(event.name);
  if (event.event === "left") place.people.delete(event.name);
  if (event.event === "renamed" && place.people.delete(event.name)) place.people.add(event.to);
  if (event.event !== "said" && place === current) drawPeople();
}

/** One's own line in a replay: the first say of that room without a reply was carried out after all. */
function confirmFirst(place, event) {
  const say = unconfirmed.find((say) => say.place === place && say.text === event.text);
  if (!say) return false;
  unconfirmed = unconfirmed.filter((other) => other !== say);
  say.line.classList.remove("pending");
  return true;
}

// --- What is sent ---

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (!text.trim()) return;
  $("text").value = "";
  if (text.startsWith("/")) command(text);
  else if (current.isRoom) say(current, text);
  else tell(current, text);
});

function say(place, text) {
  const line = messageLine(me.name, text, Date.now(), "own pending");
  add(place, line, false);
  send({ place, text, line });
}

function send(say) {
  unconfirmed.push(say);
  wire.request("say", { room: say.place.name, text: say.text }).then(
    ({ seq }) => {
      say.place.seq = Math.max(say.place.seq, seq);
      say.place.first ??= seq;
      say.line.classList.remove("pending");
      unconfirmed = unconfirmed.filter((other) => other !== say);
    },
    (error) => {
      // Without a reply nobody knows yet; coming back will tell.
      if (!(error instanceof Refused)) return;
      unconfirmed = unconfirmed.filter((other) => other !== say);
      say.line.classList.replace("pending", "trouble");
      say.line.append(` — not sent: ${explain(error)}`);
    },
  );
}

async function tell(place, text) {
  const to = place.name.slice(1);
  const line = messageLine(me.name, text, Date.now(), "own pending");
  add(place, line, false);
  try {
    await wire.request("tell", { to, text });
    line.classList.remove("pending");
  } catch (error) {
    line.classList.replace("pending", "trouble");
    line.append(` — not sent: ${explain(error)}`);
  }
}

const COMMANDS = {
  "/enter": (room) => enter(room),
  "/exit": () => leaveCurrent(),
  "/msg": (rest) => {
    const [, to, text] = splitAddressee(rest) ?? [];
    if (!to) return notice(current, "use /msg NAME TEXT", "trouble");
    show(conversation(to));
    tell(current, text);
  },
  "/nick": (name) => attempt(async () => {
    const renamed = await wire.request("rename", { name });
    for (const [room, seq] of Object.entries(renamed.rooms)) {
      const place = places.get(room);
      follow(place, { event: "renamed", name: me.name, to: renamed.name });
      place.seq = Math.max(place.seq, seq);
      notice(place, `you are now ${renamed.name}`);
    }
    me.name = renamed.name;
  }),
  "/register": (password) => attempt(async () => {
    await wire.request("register", { password });
    me.password = password;
    notice(current, "your name is protected by that password now");
  }),
  "/help": () => notice(current, "/enter ROOM, /exit, /msg NAME TEXT, /nick NAME, /register PASSWORD"),
};

/** `Ana hello` or `"Ana Maria" hello`. */
function splitAddressee(rest) {
  return rest.match(/^"([^"]+)"\s+(.+)$/s) ?? rest.match(/^(\S+)\s+(.+)$/s);
}

function command(line) {
  const [word, ...rest] = line.split(" ");
  const run = COMMANDS[word];
  if (run) run(rest.join(" ").trim());
  else notice(current, `there is no ${word}; /help lists the commands`, "trouble");
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    notice(current, explain(error), "trouble");
  }
}

// --- Rooms and conversations ---

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const room = $("enter-room").value.trim();
  $("enter-room").value = "";
  enter(room);
});
$("enter-room").addEventListener("focus", () =>
  attempt(async () => {
    const { rooms } = await wire.request("rooms");
    $("known-rooms").replaceChildren(...rooms.map(({ room, members }) => element("option", { value: room }, `${members} here`)));
  }),
);
$("leave-room").addEventListener("click", () => leaveCurrent());
$("older").addEventListener("click", () => attempt(() => readHistory(current)));
$("open-side").addEventListener("click", () => openSide(!$("side").classList.contains("open")));

function enter(room) {
  return attempt(async () => {
    if (!places.has(room)) arrive(await wire.request("enter", { room }));
    show(places.get(room) ?? [...places.values()].at(-1));
    $("text").focus();
  });
}

/** A room was entered: its people and its latest history. */
function arrive({ room, seq }) {
  const place = placed(room, true);
  place.seq = seq;
  place.first = seq;
  attempt(() => Promise.all([readPeople(place), readHistory(place)]));
}

function leaveCurrent() {
  return attempt(async () => {
    const left = current;
    if (left.isRoom) await wire.request("exit", { room: left.name });
    places.delete(left.name);
    const next = [...places.values()].find((place) => place.isRoom);
    if (next) show(next);
    else await enter("lobby");
  });
}

async function readPeople(place) {
  const { members } = await wire.request("who", { room: place.name });
  place.people = new Set(members);
  if (place === current) drawPeople();
}

async function readHistory(place) {
  const { events, more } = await wire.request("history", { room: place.name, before: place.first, limit: HISTORY_LIMIT });
  place.lines.unshift(...events.map(lineOf));
  if (events.length) place.first = events[0].seq;
  place.hasOlder = more;
  if (place === current) redraw(true);
}

function conversation(name) {
  return placed(`@${name}`, false);
}

function placed(name, isRoom) {
  let place = places.get(name);
  if (!place) places.set(name, (place = new Place(name, isRoom)));
  return place;
}

// --- Drawing ---

function show(place) {
  current = place;
  place.unread = 0;
  $("room-name").textContent = harmless(place.name);
  $("leave-room").textContent = place.isRoom ? "Leave room" : "Close";
  openSide(false);
  redraw(false);
  drawPeople();
}

function openSide(open) {
  $("side").classList.toggle("open", open);
  $("open-side").setAttribute("aria-expanded", open);
}

/** Puts a line at the end of a place. */
function add(place, line, counts) {
  place.lines.push(line);
  if (place.lines.length > LOG_MAX) {
    place.lines.shift().remove();
    place.hasOlder = place.isRoom;
  }
  if (place === current && !document.hidden) {
    const log = $("log");
    const following = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    log.append(line);
    if (following || line.classList.contains("own")) log.scrollTop = log.scrollHeight;
  } else {
    if (place === current) $("log").append(line);
    if (counts) place.unread += 1;
  }
  drawRooms();
}

/** Draws the whole log; `keep` keeps what is read in its place when older lines come before it. */
function redraw(keep) {
  const log = $("log");
  const fromEnd = log.scrollHeight - log.scrollTop;
  // What was there before is not news to a screen reader.
  log.setAttribute("aria-live", "off");
  log.replaceChildren(...current.lines);
  log.scrollTop = keep ? log.scrollHeight - fromEnd : log.scrollHeight;
  requestAnimationFrame(() => log.setAttribute("aria-live", "polite"));
  $("older").hidden = !current.hasOlder;
  drawRooms();
}

function drawRooms() {
  const buttons = [...places.values()].map((place) =>
    element("li", {},
      element("button", { onclick: () => show(place), "aria-current": place === current ? "true" : null },
        harmless(place.name),
        place.unread ? element("span", { class: "unread" }, String(place.unread), element("span", { class: "unseen" }, " unread")) : "",
      )));
  $("rooms").replaceChildren(...buttons);
  const unread = [...places.values()].reduce((sum, place) => sum + place.unread, 0);
  $("unread-total").textContent = unread ? `(${unread})` : "";
  document.title = `${unread ? `(${unread}) ` : ""}${current?.name ?? ""} – Chat`;
}

function drawPeople() {
  const people = current.isRoom ? [...current.people].sort((a, b) => a.localeCompare(b)) : [current.name.slice(1)];
  $("people").replaceChildren(...people.map((name) =>
    element("li", {}, name === me.name
      ? element("span", {}, `${harmless(name)} (you)`)
      : element("button", { onclick: () => show(conversation(name)), title: `Write to ${harmless(name)}` }, harmless(name)))));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !current) return;
  current.unread = 0;
  drawRooms();
});

function lineOf(event) {
  switch (event.event) {
    case "said": return messageLine(event.from, event.text, event.at, event.from === me.name ? "own" : "");
    case "entered": return noticeLine(`${event.name} entered`, event.at);
    case "left": return noticeLine(`${event.name} left${LEFT[event.reason] ?? ""}`, event.at);
    case "renamed": return noticeLine(`${event.name} is now ${event.to}`, event.at);
    default: return noticeLine(event.event, event.at);
  }
}

const LEFT = { lost: " (connection lost)", timeout: " (timed out)", slow: " (too slow)" };

function messageLine(from, text, at, kind = "") {
  return element("li", { class: kind }, timeOf(at), element("span", { class: "from" }, harmless(from)), ": ", harmless(text));
}

function noticeLine(text, at = Date.now(), kind = "") {
  return element("li", { class: `notice ${kind}` }, timeOf(at), harmless(text));
}

function notice(place, text, kind) {
  if (place) add(place, noticeLine(text, Date.now(), kind), false);
}

function timeOf(at) {
  const time = new Date(at);
  return element("time", { datetime: time.toISOString() }, time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
}
