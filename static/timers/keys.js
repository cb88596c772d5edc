// The keyboard: single keys outside of fields, "g" and a letter to go somewhere, Ctrl or Cmd K to find.
// What a key does is written on the elements: data-key on buttons and links, data-go on places.
(() => {
  "use strict";
  if (document.body.dataset.keys === "off") return;
  const FIELDS = "input:not([type=checkbox], [type=radio], [type=submit]), textarea, select, [contenteditable=true]";
  const WAIT = 1500;
  let goes = 0;

  const seen = (element) => element.checkVisibility ? element.checkVisibility() : element.offsetParent !== null;
  const first = (selector, within = document) => [...within.querySelectorAll(selector)].find(seen);
  const rows = () => [...document.querySelectorAll("main .list tbody tr, main table[data-rows] tbody tr")].filter((row) => seen(row) && heart(row));
  const heart = (row) => row.querySelector("td.lead a, a.name, a.more");
  const present = () => document.activeElement?.closest("main tbody tr");

  const open = (id) => {
    const dialog = document.getElementById(id);
    if (!dialog || dialog.matches(":popover-open")) return;
    dialog.showPopover();
    dialog.querySelector("input")?.select();
  };

  const move = (step) => {
    const all = rows();
    const at = all.indexOf(present());
    const row = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))];
    if (!row) return false;
    heart(row).focus();
    row.scrollIntoView({ block: "nearest" });
    return true;
  };

  const press = (key) => {
    const row = present();
    const button = row ? row.querySelector(`[data-key="${key}"]`) : first(`main [data-key="${key}"]`) ?? first(`[data-key="${key}"]`);
    if (!button) return false;
    returnTo = row?.id ?? null;
    button.click();
    return true;
  };

  const search = () => {
    const box = first("main input[type=search]");
    if (box) box.select(); else open("palette");
    return true;
  };

  const pick = () => {
    const box = present()?.querySelector(".pick input");
    box?.click();
    return Boolean(box);
  };

  const go = (letter) => {
    const link = document.querySelector(`[data-go~="${CSS.escape(letter)}"]`);
    if (link) location.assign(link.href);
    return Boolean(link);
  };

  const create = () => {
    if (!press("c")) location.assign(document.body.dataset.new);
    return true;
  };

  const deeds = { "/": search, c: create, "?": () => { open("keys"); return true; }, j: () => move(1), k: () => move(-1), x: pick };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && !event.shiftKey) {
      event.preventDefault();
      open("palette");
      return;
    }
    if (event.ctrlKey || event.metaKey || event.target.closest?.(FIELDS) || document.querySelector("[popover]:popover-open")) return;
    const going = Date.now() - goes < WAIT;
    goes = 0;
    if (going) {
      if (go(event.key)) event.preventDefault();
    } else if (event.key === "g") {
      goes = Date.now();
    } else if (event.key in deeds ? deeds[event.key]() : /^[a-z]$/.test(event.key) && press(event.key)) {
      event.preventDefault();
    }
  });

  // A row that a key changed comes back from the server as a new one: it keeps the focus.
  let returnTo = null;
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    const row = returnTo && event.detail.target?.id === returnTo ? document.getElementById(returnTo) : null;
    if (row) heart(row)?.focus();
  });

  // The palette: arrows walk through what was found, Enter in the field takes the first.
  const palette = document.getElementById("palette");
  const found = () => [...palette.querySelectorAll("#found a, #found button")];
  palette?.addEventListener("toggle", (event) => {
    if (event.newState === "open" && window.htmx) window.htmx.trigger(palette.querySelector("input"), "asked");
  });
  palette?.addEventListener("keydown", (event) => {
    const all = found();
    const at = all.indexOf(document.activeElement);
    const field = palette.querySelector("input");
    if (event.key === "ArrowDown") (all[at + 1] ?? field).focus();
    else if (event.key === "ArrowUp") (at < 0 ? all.at(-1) : all[at - 1] ?? field)?.focus();
    else if (event.key === "Enter" && at < 0 && all.length) all[0].click();
    else return;
    event.preventDefault();
  });
  for (const link of document.querySelectorAll("[data-palette]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      open("palette");
    });
  }
})();
