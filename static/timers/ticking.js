// What the time does to a page: the clock in the header goes on, and "in 3 min" counts down.
// The server's clock counts: each page, and each live part, says what it is.
(() => {
  "use strict";
  const TIED = "\u00a0";
  const UNITS = [["d", 86400, "h", 3600], ["h", 3600, "min", 60], ["min", 60, "s", 1]];
  let shown = null;
  let ahead = 0;

  const length = (seconds) => {
    for (const [unit, size, smaller, part] of UNITS) {
      if (seconds < size) continue;
      const rest = Math.floor((seconds % size) / part);
      const first = Math.floor(seconds / size) + TIED + unit;
      return rest && seconds < 100 * size ? `${first} ${rest}${TIED}${smaller}` : first;
    }
    return seconds + TIED + "s";
  };

  const away = (milliseconds) => {
    const seconds = Math.round(Math.abs(milliseconds) / 1000);
    if (seconds < 1) return "now";
    return milliseconds > 0 ? `in ${length(seconds)}` : `${length(seconds)} ago`;
  };

  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  const tick = () => {
    if (document.visibilityState !== "visible") return;
    const clock = document.querySelector(".clock time");
    if (clock && clock !== shown) {
      shown = clock;
      ahead = Date.parse(clock.dateTime) - Date.now();
    }
    const now = Date.now() + ahead;
    if (clock) {
      const zone = clock.textContent.slice(clock.textContent.indexOf(" "));
      const options = { timeZone: document.body.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
      put(clock, new Intl.DateTimeFormat("en-GB", options).format(now) + zone);
    }
    for (const element of document.querySelectorAll("[data-relative]")) {
      put(element, away(Date.parse(element.dataset.relative) - now));
    }
  };

  setInterval(tick, 1000);
})();
