// Loads the page again where one of its scripts could not be fetched: without it the page would stay empty.
// A classic script of its own, because a module that is missing runs nothing.

(() => {
  const KEY = "sevengate-loads";
  const MOST = 3; // then the page's own words say how to go on
  const WAIT_MS = 1000;
  const count = () => Number(sessionStorage.getItem(KEY)) || 0;

  addEventListener(
    "error",
    ({ target }) => {
      if (target.tagName !== "SCRIPT" || count() >= MOST) return;
      sessionStorage.setItem(KEY, count() + 1);
      setTimeout(() => location.reload(), WAIT_MS * count());
    },
    true, // a script's error does not bubble
  );
  addEventListener("sevengate-started", () => sessionStorage.removeItem(KEY));
})();
