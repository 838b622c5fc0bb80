"use strict";
(() => {
  const pause = document.getElementById("pause"), said = document.getElementById("renewal");
  let paused = false, working = false;
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Renew" : "Pause";
    said.textContent = paused ? "paused" : "";
  });
  async function renew() {
    if (paused || working || document.hidden) return;
    working = true;
    try {
      const answer = await fetch(location.pathname, { cache: "no-store" });
      const text = await answer.text();
      if (!answer.ok) throw new Error(text.trim().slice(0, 300));
      const next = new DOMParser().parseFromString(text, "text/html");
      for (const open of document.querySelectorAll("main details[open]")) {
        const same = next.getElementById(open.id);
        if (same) same.open = true;
      }
      const scrolled = [...document.querySelectorAll("main .scroll")].map(e => [e.id, e.scrollLeft]);
      const focused = document.activeElement && document.activeElement.id;
      document.getElementById("environments").replaceWith(document.adoptNode(next.getElementById("environments")));
      document.getElementById("main").replaceWith(document.adoptNode(next.getElementById("main")));
      document.getElementById("made").replaceWith(document.adoptNode(next.getElementById("made")));
      for (const [id, left] of scrolled) {
        const same = document.getElementById(id);
        if (same) same.scrollLeft = left;
      }
      if (focused && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
      said.textContent = "";
    } catch (e) {
      said.textContent = "could not be renewed: " + e.message;
    } finally {
      working = false;
    }
  }
  setInterval(renew, Number(document.documentElement.dataset.every) * 1000);
})();
