// The cash machine as a page: what is shown, and what the customer does. `session.js` knows how an operation comes to
// its end.

import { Refused, Lost, element, explain, harmless } from "/wire.js";
import { ConnectionState } from "/state.js";
import { asAmount, grouped } from "/amount.js";
import { Session, Left, Unknown, randomKey } from "/session.js";

const STATEMENT_LIMIT = 20;
const EXCHANGES_MAX = 50;
const VERBS = { withdraw: "Withdraw", deposit: "Deposit", transfer: "Transfer" };
const NOUNS = { withdraw: "withdrawal", deposit: "deposit", transfer: "transfer" };
const KINDS = { opened: "account opened", sent: "transfer to", received: "transfer from", pin_changed: "PIN changed", closed: "account closed" };
const TAKES = ["withdrawal", "sent"];
const $ = (id) => document.getElementById(id);

let account = null;
let oldest = null; // The number of the oldest entry shown.
let working = null; // The operation whose outcome is not known: { op, fields }.

const state = new ConnectionState($("state"), () => session.tryNow());
const session = new Session({
  state: (connected, pauseMs) => {
    if (connected) state.connected();
    else state.lost(pauseMs);
    $("move").setAttribute("aria-disabled", !connected);
  },
  uncertain: (op) => {
    const [where, what] = op === "change_pin" ? ["pin-outcome", "change of PIN"] : ["outcome", nameOf(working)];
    const again = op === "change_pin" ? "the next login will tell" : "it is sent again under the same key, so that it happens once";
    say(where, `The connection was lost before the answer to your ${what} came. Whether it was done is not known yet: ${again}.`, "unknown");
  },
  ended: (error) => showLogin(`Logged out by the bank: ${explain(error)}`),
  clock: (time) => ($("clock").value = time),
  exchange: (op, sent, received) => {
    $("exchanges").prepend(element("li", {}, `${op.replace("_", " ")} `, element("b", {}, `${sent} → ${received}`)));
    if ($("exchanges").children.length > EXCHANGES_MAX) $("exchanges").lastChild.remove();
  },
});

// --- Coming and going ---

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target.elements;
  once(event.submitter, async () => {
    say("login-trouble", "");
    try {
      const told = await session.login(form.account.value, form.pin.value);
      event.target.reset();
      await arrive(told);
    } catch (error) {
      say("login-trouble", error instanceof Lost ? "The bank cannot be reached. Try again." : `Not logged in: ${explain(error)}`);
      form.pin.select();
    }
  });
});

async function arrive(told) {
  account = told.account;
  $("holder").textContent = harmless(told.holder);
  $("account-id").textContent = harmless(told.account);
  $("change-pin").elements.username.value = told.account;
  show(true);
  $("operation").elements.amount.focus();
  const unfinished = remembered();
  if (unfinished) await finish(unfinished, `Finding out what became of your ${nameOf(unfinished)}…`);
  await attempt(readBalance);
}

$("logout").addEventListener("click", () => {
  showLogin("");
  session.leave();
});

function showLogin(why) {
  account = null;
  $("confirm").close();
  show(false);
  $("statement").hidden = true;
  $("read-statement").textContent = "Show the statement";
  for (const id of ["entries", "exchanges"]) $(id).replaceChildren();
  for (const id of ["outcome", "trouble", "pin-outcome", "pin-trouble"]) say(id, "");
  for (const id of ["operation", "change-pin"]) $(id).reset();
  chooseOperation();
  $("balance").value = "";
  say("login-trouble", why);
  $("login").elements.account.focus();
}

function show(loggedIn) {
  $("login").hidden = loggedIn;
  for (const shown of [$("account"), $("logout"), $("connection")]) shown.hidden = !loggedIn;
}

// --- Moving money ---

$("operation").addEventListener("change", chooseOperation);

function chooseOperation() {
  const { op, to } = $("operation").elements;
  $("to").hidden = op.value !== "transfer";
  to.required = op.value === "transfer";
  $("move").textContent = VERBS[op.value];
}

$("operation").addEventListener("input", ({ target }) => {
  if (target.name === "amount") target.setCustomValidity(asAmount(target.value) || !target.value ? "" : "An amount such as 100 or 15.50");
});

$("usual").addEventListener("click", ({ target }) => {
  if (target.localName !== "button") return;
  const { amount } = $("operation").elements;
  amount.value = target.textContent;
  amount.setCustomValidity("");
  $("move").focus();
});

$("operation").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (working || $("confirm").open) return;
  if ($("move").getAttribute("aria-disabled") === "true") return say("trouble", "Nothing was sent: there is no connection to the bank now.");
  const { op, to, amount } = event.target.elements;
  const fields = { amount: asAmount(amount.value), key: randomKey() };
  if (op.value === "transfer") fields.to = to.value;
  const operation = { op: op.value, fields };
  if (fields.to && !(await isConfirmed(fields))) return amount.focus();
  if (await finish(operation, "Working…")) amount.value = "";
  if (account) amount.focus();
});

/** Asks before money goes to somebody else: nobody gives it back. */
function isConfirmed({ amount, to }) {
  $("confirm-amount").textContent = grouped(amount);
  $("confirm-to").textContent = harmless(to);
  $("confirm").returnValue = "no"; // What Escape leaves.
  $("confirm").showModal();
  return new Promise((resolve) => $("confirm").addEventListener("close", () => resolve($("confirm").returnValue === "yes"), { once: true }));
}

/** Pursues an operation to its end; true if it was done. */
async function finish(operation, meanwhile) {
  working = operation;
  remember(operation);
  say("trouble", "");
  say("outcome", meanwhile);
  $("operation").setAttribute("aria-busy", true);
  try {
    const { balance, entry } = await session.change(operation.op, operation.fields);
    forget();
    $("balance").value = grouped(balance);
    say("outcome", `Done: ${nameOf(operation)}, entry ${entry}. Balance ${grouped(balance)}.`, "good");
    if (!$("statement").hidden) await readStatement();
    return true;
  } catch (error) {
    if (error instanceof Left) return false;
    const isUnknown = error instanceof Unknown;
    if (!isUnknown) forget();
    say("outcome", "");
    say("trouble", `${isUnknown ? "Perhaps done; load the page again to find out" : "Not done"}: ${nameOf(operation)}: ${explain(error)}`);
    return false;
  } finally {
    working = null;
    $("operation").removeAttribute("aria-busy");
  }
}

function nameOf({ op, fields }) {
  return `${NOUNS[op]} of ${grouped(fields.amount)}${fields.to ? ` to ${fields.to}` : ""}`;
}

// An operation without a known outcome survives a reload of the page, with its key.

function remember(operation) {
  sessionStorage.setItem(`unfinished ${account}`, JSON.stringify(operation));
}

function remembered() {
  return JSON.parse(sessionStorage.getItem(`unfinished ${account}`));
}

function forget() {
  sessionStorage.removeItem(`unfinished ${account}`);
}

// --- Reading ---

$("read-balance").addEventListener("click", (event) => once(event.target, () => attempt(readBalance)));
$("read-statement").addEventListener("click", (event) => once(event.target, () => attempt(readStatement)));
$("older").addEventListener("click", (event) => once(event.target, () => attempt(() => readStatement(oldest))));

async function readBalance() {
  const { balance } = await session.read("balance");
  $("balance").value = grouped(balance);
}

/** Reads the newest entries, or those before number `before`. */
async function readStatement(before) {
  const { entries, more } = await session.read("statement", { before, limit: STATEMENT_LIMIT });
  const rows = entries.map(rowOf);
  if (before) $("entries").append(...rows);
  else $("entries").replaceChildren(...rows);
  oldest = entries.at(-1)?.entry ?? oldest;
  $("older").hidden = !more;
  $("statement").hidden = false;
  $("read-statement").textContent = "Read it again";
}

function rowOf({ entry, at, kind, counterparty, amount, balance, stamp }) {
  const when = new Date(at);
  const cell = (name, ...children) => element("td", { role: "cell", class: name }, ...children);
  const what = counterparty ? `${KINDS[kind] ?? kind} ${counterparty}` : (KINDS[kind] ?? kind);
  const takes = TAKES.includes(kind);
  return element("tr", { role: "row" },
    cell("entry", String(entry)),
    cell("when", element("time", { datetime: when.toISOString() }, when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" }))),
    cell("what", harmless(what)),
    cell(`amount ${takes ? "bad" : "good"}`, amount ? `${takes ? "−" : "+"}${grouped(harmless(amount))}` : ""),
    cell("balance", grouped(harmless(balance))),
    cell("stamp", String(stamp)),
  );
}

// --- The PIN ---

$("change-pin").addEventListener("submit", (event) => {
  event.preventDefault();
  const { old, fresh, again } = event.target.elements;
  say("pin-outcome", "");
  if (fresh.value !== again.value) return say("pin-trouble", "The two new PINs differ.");
  once(event.submitter, async () => {
    say("pin-trouble", "");
    say("pin-outcome", "Working…");
    try {
      await session.changePin(old.value, fresh.value);
      event.target.reset();
      say("pin-outcome", "The PIN is changed.", "good");
      if (!$("statement").hidden) await readStatement();
    } catch (error) {
      if (error instanceof Left) return;
      say("pin-outcome", "");
      say("pin-trouble", error.code === "login_failed" ? "That is not your PIN now." : `Not changed: ${explain(error)}`);
    }
  });
});

// --- How ---

/** Says something where a screen reader hears it. */
function say(id, text, kind) {
  $(id).textContent = harmless(text);
  if (kind !== undefined || $(id).getAttribute("role") === "status") $(id).className = kind ?? "faint";
}

/** Runs `work` unless it runs already for this button. */
async function once(button, work) {
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", true);
  try {
    await work();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    if (error instanceof Refused) say("trouble", explain(error));
    else if (!(error instanceof Left)) throw error;
  }
}
