// Live parts: elements with data-live="seconds" ask for themselves again through htmx (event "live").
// Never while the page is hidden, nor while somebody points at, types in or has opened something in the part.
(() => {
  "use strict";
  const last = new WeakMap();
  let pointer = null;

  const busy = (part) =>
    part.contains(document.activeElement) ||
    (pointer !== null && part.contains(pointer)) ||
    part.querySelector("details[open], td .pick :checked") !== null ||
    part.classList.contains("htmx-request") ||
    part.querySelector(".htmx-request") !== null;

  const tick = () => {
    if (leaving || document.visibilityState !== "visible" || !window.htmx) return;
    const now = Date.now();
    for (const note of document.querySelectorAll("[data-live-note]")) {
      const part = document.getElementById(note.dataset.liveNote);
      note.classList.toggle("waits", part !== null && !part.classList.contains("htmx-request") && busy(part));
    }
    for (const part of document.querySelectorAll("[data-live]")) {
      if (!last.has(part)) last.set(part, now);
      const other = part.dataset.liveFor && document.getElementById(part.dataset.liveFor);
      if (other && !busy(other)) {
        last.set(part, now);  // the other part brings this one along, as long as nobody uses it
        continue;
      }
      if (now - last.get(part) < Number(part.dataset.live) * 1000 || busy(part)) continue;
      last.set(part, now);
      window.htmx.trigger(part, "live");
    }
  };

  // Requests that were cut off (the reader went elsewhere, or typed on) are no errors to report.
  let leaving = false;
  for (const name of ["beforeunload", "pagehide"]) window.addEventListener(name, () => { leaving = true; });
  window.addEventListener("pageshow", () => { leaving = false; });
  const cutOff = ["htmx:afterRequest", "htmx:sendAbort", "htmx:sendError", "htmx:timeout"];
  if (window.htmx) {
    window.htmx.logger = (_element, name, detail) => {
      if (detail?.error && cutOff.includes(name)) delete detail.error;
    };
  }

  // A button that got no answer says so.
  document.addEventListener("htmx:sendError", (event) => {
    const place = document.getElementById("messages");
    if (leaving || !place || event.target.matches("[data-live]")) return;
    place.innerHTML = '<div class="alert is-bad" role="alert"><div><strong>The server did not answer. Try again.</strong></div></div>';
  });

  // A banner that stays is not announced again.
  const banners = (within) => [...within.querySelectorAll("[data-banner]")].map((each) => each.dataset.banner).join();
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target, fragment } = event.detail;
    if (target.id === "banners" && banners(target) === banners(fragment)) event.detail.shouldSwap = false;
  });

  document.addEventListener("pointermove", (event) => {
    pointer = event.pointerType === "mouse" ? event.target : null;
  }, { passive: true });
  document.documentElement.addEventListener("pointerleave", () => { pointer = null; });
  setInterval(tick, 500);

  // The browser's zone, so that times are shown in it until the reader chooses one.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.split("; ").includes("zone=" + encodeURIComponent(zone))) {
    document.cookie = "zone=" + encodeURIComponent(zone) + "; path=/; max-age=31536000; samesite=lax";
  }

  // Errors are read first: the summary of a form that came back takes the focus.
  document.querySelector("[role=alert][tabindex]")?.focus();

  // What only scripts can do is shown where they run; parts that come later bring their own.
  const show = (within) => {
    const able = navigator.clipboard ? "[data-scripted], [data-dismiss], [data-copy]" : "[data-scripted], [data-dismiss]";
    for (const element of within.querySelectorAll(able)) element.hidden = false;
  };
  show(document);
  document.addEventListener("htmx:afterSettle", () => show(document));
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-dismiss]");
    if (button) document.getElementById(button.dataset.dismiss).replaceChildren();
  });
  const count = () => {
    const place = document.querySelector("#bulk .count");
    const picked = document.querySelectorAll("td .pick :checked").length;
    if (place) place.textContent = picked ? `${picked} selected` : "";
  };
  document.addEventListener("htmx:afterSettle", count);
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) {
      for (const box of event.target.closest("table").querySelectorAll("td .pick input")) box.checked = event.target.checked;
    }
    if (event.target.closest(".pick")) count();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = "Copied";
  });
  document.documentElement.classList.add("with-script");
})();
