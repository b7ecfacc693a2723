// What would keep somebody from using the page as it is shown now: by eye, on a small screen, with a keyboard or with a
// screen reader. As far as a script can see; thresholds are those of WCAG 2.2, level AA.

const PHONE_MAX = 500; // CSS pixels: a screen so narrow is used with fingers.
const { scrollWidth, clientWidth } = document.documentElement;
const SIZE_MIN = clientWidth <= PHONE_MAX ? 44 : 24; // CSS pixels of a target, each way (2.5.5; 2.5.8).
const CONTRAST_MIN = 4.5; // Of text (1.4.3).
const CONTRAST_LARGE_MIN = 3;

const problems = [];
const all = (css) => [...document.querySelectorAll(css)];
const isSeen = (it) => it.checkVisibility({ visibilityProperty: true }) && it.getBoundingClientRect().width > 1;
const nameOf = (it) => `<${it.localName}${it.id ? ` id=${it.id}` : ""}> ${it.textContent.trim().slice(0, 40)}`;

// --- The page ---

if (!document.documentElement.lang) problems.push("the page names no language");
if (!document.title) problems.push("the page has no title");
if (!all("main").some(isSeen)) problems.push("there is no main landmark");
if (!all("h1, h2").some(isSeen)) problems.push("there is no heading");
if (scrollWidth > clientWidth) problems.push(`the page is ${scrollWidth} px wide on a screen of ${clientWidth}`);
const ids = all("[id]").map((it) => it.id);
for (const id of new Set(ids.filter((id, place) => ids.indexOf(id) !== place))) problems.push(`two elements have the id ${id}`);

// --- Controls ---

for (const control of all("button, input, select, textarea, a[href], summary, [tabindex='0']").filter(isSeen)) {
  const labels = [...(control.labels ?? [])];
  const spoken = [
    control.getAttribute("aria-label"),
    ...(control.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent),
    ...labels.map((label) => label.textContent),
    ["INPUT", "SELECT", "TEXTAREA"].includes(control.tagName) ? "" : control.textContent,
    control.title,
  ];
  if (!spoken.some((text) => text?.trim())) problems.push(`a control has no name: ${nameOf(control)}`);
  // Who speaks to a computer says what is to be read (2.5.3).
  const label = control.matches("button, a, summary") && control.getAttribute("aria-label")?.toLowerCase();
  const read = control.innerText.trim().toLowerCase().replace(/\s+/g, " ");
  if (label && /\p{L}/u.test(read) && !label.includes(read)) problems.push(`a control is called otherwise than it reads: ${nameOf(control)}`);
  // A link in a text is as high as its line.
  if (control.localName === "a" && getComputedStyle(control).display === "inline") continue;
  // Who misses a small box hits its label.
  const targets = [control, ...labels].map((it) => it.getBoundingClientRect());
  if (!targets.some(({ width, height }) => width >= SIZE_MIN && height >= SIZE_MIN)) problems.push(`a control is too small: ${nameOf(control)}`);
}

// --- Lists ---

const isList = (it) => ["UL", "OL", "MENU"].includes(it?.tagName) && ["list", null].includes(it.getAttribute("role"));
for (const item of all("li").filter((it) => isSeen(it) && !isList(it.parentElement))) problems.push(`an item is in no list: ${nameOf(item)}`);

// --- Contrast ---

/** `rgb(1 2 3 / 0.5)` in any of its spellings; nothing for other colours. */
function parse(colour) {
  const parts = /^rgba?\(([^)]+)\)$/.exec(colour)?.[1].split(/[\s,/]+/).map(Number);
  return parts && { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
}

const over = (above, alpha, below) => above.map((part, place) => part * alpha + below[place] * (1 - alpha));

function backgroundOf(it) {
  const layers = [];
  for (let under = it; under; under = under.parentElement) {
    const layer = parse(getComputedStyle(under).backgroundColor);
    if (layer?.alpha > 0) layers.push(layer);
    if (layer?.alpha === 1) break;
  }
  return layers.reduceRight((below, { rgb, alpha }) => over(rgb, alpha, below), [255, 255, 255]);
}

function opacityOf(it) {
  let opacity = 1;
  for (let under = it; under; under = under.parentElement) opacity *= Number(getComputedStyle(under).opacity);
  return opacity;
}

function luminance(rgb) {
  const [red, green, blue] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function check(it, style) {
  const colour = parse(style.color);
  if (!colour) return;
  const background = backgroundOf(it);
  const [dark, light] = [over(colour.rgb, colour.alpha * opacityOf(it), background), background].map(luminance).sort((a, b) => a - b);
  const ratio = (light + 0.05) / (dark + 0.05);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (isLarge ? CONTRAST_LARGE_MIN : CONTRAST_MIN)) problems.push(`contrast is ${ratio.toFixed(2)}: ${nameOf(it)}`);
}

// What cannot be used just now may be faint; what lies behind a drawing's text is not known here.
const isExempt = (it) => it.closest("[disabled], [aria-disabled='true'], svg");
for (const it of all("body *").filter((it) => !isExempt(it) && isSeen(it))) {
  const hasText = [...it.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
  if (hasText || it.value) check(it, getComputedStyle(it));
  if (it.placeholder && !it.value) check(it, getComputedStyle(it, "::placeholder"));
}

return problems;
