// Makes quicker what works without it. Everything here is a link or a form first.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const sheet = $("#sheet"), said = $("#said");

const announce = (text) => { if (said) said.textContent = text; };

// Fragments: the same address, with the name of the part that is wanted.
async function fragment(url, name, options = {}) {
  const answer = await fetch(url, { ...options, headers: { "X-Fragment": name, ...options.headers } });
  if (answer.redirected && new URL(answer.url).pathname.match(/^\/(sign-in|locked)$/)) { location.reload(); throw new Error("signed out"); }
  return answer;
}

// A link with data-sheet opens its page in the dialog instead.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-sheet]");
  if (!link || !sheet || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    const answer = await fragment(link.href, link.dataset.sheet);
    sheet.innerHTML = await answer.text();
    sheet.showModal();
    ($("input:not([type=hidden]), select, textarea, button", sheet) || sheet).focus();
  } catch { location.href = link.href; }
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) { event.preventDefault(); event.target.closest("dialog")?.close(); }
  if (event.target.closest("[data-print]")) print();
  if (event.target.closest("[data-help]")) $("#keys").showModal();
});

$$("[data-print]").forEach((button) => { button.hidden = false; });

// Ticking all rows of a table at once.
document.addEventListener("change", (event) => {
  const all = event.target.closest("input[data-all]");
  if (all) $$(`input[name="${all.dataset.all}"]`, all.closest("table")).forEach((box) => { box.checked = all.checked; });
});

// Keyboard: never while somebody types, never with a modifier, and not where it is turned off.
const typing = (element) => element.closest("input:not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable], dialog[open]");
const rows = () => $$("tr[data-row]");
let current = -1, waitingForPlace = false;
function stand(index) {
  const found = rows();
  if (!found.length) return;
  current = Math.max(0, Math.min(index, found.length - 1));
  found.forEach((row, n) => row.setAttribute("aria-selected", n === current ? "true" : "false"));
  $("a", found[current])?.focus();
  found[current].scrollIntoView({ block: "nearest" });
}
const KEYS = {
  j: () => stand(current + 1),
  k: () => stand(current - 1),
  x: () => { const box = rows()[current] && $("input[type=checkbox]", rows()[current]); if (box) box.checked = !box.checked; },
  r: () => rows()[current] && $("a[data-record]", rows()[current])?.click(),
  "/": () => $("#find")?.focus(),
  "?": () => $("#keys")?.showModal(),
  g: () => { waitingForPlace = true; setTimeout(() => { waitingForPlace = false; }, 1500); },
};
document.addEventListener("keydown", (event) => {
  if (document.body.dataset.shortcuts !== "on" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (waitingForPlace) {
    waitingForPlace = false;
    const place = $(`a[data-key="${CSS.escape(event.key)}"]`);
    if (place) { event.preventDefault(); place.click(); }
    return;
  }
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});
if (document.body.dataset.shortcuts === "on") $("[data-help]")?.removeAttribute("hidden");

// What changed meanwhile: said quietly, never moved under somebody's hand.
const watched = $("[data-changes]");
if (watched) {
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(watched.dataset.changes);
      if (!answer.ok || answer.redirected) return;
      const found = await answer.json();
      watched.hidden = found.count === 0;
      if (found.count) { $("[data-changed]", watched).textContent = found.said; }
    } catch { /* the next look tries again */ }
  }, Number(watched.dataset.every || 60) * 1000);
}
