// The timer's form: an error at a field that is folded away opens its fold when somebody goes there.
(() => {
  "use strict";
  const unfold = () => {
    const field = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const fold = field && field.closest("details");
    if (fold && !fold.open) {
      fold.open = true;
      field.focus();
    }
  };
  addEventListener("hashchange", unfold);
  unfold();
})();
