/* A link to a term, an equation, a source or a figure shows what it means, on a card: on hover after
   a moment, and on focus. The scripts of meanings/ hold what is on the cards, one for each page; the
   first card that needs one loads it. */
(function () {
  "use strict";

  const LINKS = ["#term-", "#equation-", "#fig-", "bibliography.html#"].map((part) => `article a.internal[href*='${part}']`).join();
  const [DELAY, GRACE] = [400, 300]; // ms until a card opens under the pointer, and closes behind it
  const EDGE = 8; // px between a card and its link, and to the window's edge
  const base = document.currentScript.src.replace(/_static\/[^/]*$/, "");
  const loading = new Map(); // page -> promise of its script
  const card = Object.assign(document.createElement("div"), { id: "meaning-card", className: "meaning", hidden: true });
  card.setAttribute("role", "tooltip");
  let shown = null; // the link whose card is open
  let wanted = null; // the link whose card is to open
  let under = null; // the link under the pointer
  let point = null; // where the pointer is; null for a card that the focus opened
  let timer = 0;
  window.Meanings = {};

  function load(page) {
    if (!loading.has(page)) {
      const version = document.querySelector("[data-version]").dataset.version;
      loading.set(
        page,
        new Promise((done, refused) => {
          const script = Object.assign(document.createElement("script"), { src: `${base}meanings/${page}.js?${version}` });
          script.onload = done;
          script.onerror = refused;
          document.head.append(script);
        }),
      );
    }
    return loading.get(page);
  }

  /* The meaning of a link as HTML, which the build has written. */
  async function meaning(link) {
    const page = link.href.replace(/[?#].*/, "").slice(base.length).replace(/\.html$/, "");
    if (!window.Meanings[page]) await load(page);
    return window.Meanings[page][decodeURIComponent(link.hash.slice(1))];
  }

  async function show(link) {
    wanted = link;
    const html = await meaning(link).catch(() => "");
    if (wanted !== link || !html) return;
    hide();
    const template = document.createElement("template");
    template.innerHTML = html;
    template.content.querySelectorAll("img").forEach((image) => image.setAttribute("src", base + image.getAttribute("src")));
    card.replaceChildren(template.content);
    card.hidden = false;
    shown = link;
    link.setAttribute("aria-describedby", card.id);
    place();
  }

  function hide() {
    clearTimeout(timer);
    wanted = null;
    if (!shown) return;
    shown.removeAttribute("aria-describedby");
    shown = null;
    card.hidden = true;
  }

  /* Below the link, or above it where there is more room; a wide equation is made to fit. */
  function place() {
    const math = card.querySelector(":scope > .math");
    if (math) {
      math.style.fontSize = "";
      math.style.fontSize = `${Math.min(1, math.clientWidth / math.scrollWidth) * 100}%`;
    }
    const lines = Array.from(shown.getClientRects()); // a link may go on in the next line
    const at = lines.find((line) => point && point.y >= line.top && point.y <= line.bottom) || lines[0];
    card.style.left = card.style.top = "0";
    const box = card.getBoundingClientRect();
    const room = document.documentElement.clientWidth - box.width - EDGE;
    const below = innerHeight - at.bottom;
    const above = below < box.height + EDGE && at.top > below;
    card.style.left = `${Math.max(EDGE, Math.min(at.left, room)) - box.left}px`;
    card.style.top = `${(above ? at.top - box.height - EDGE : at.bottom + EDGE) - box.top}px`;
  }

  function later(action, wait) {
    clearTimeout(timer);
    timer = setTimeout(action, wait);
  }

  const focused = (link) => link === document.activeElement && link.matches(":focus-visible");

  /* The pointer may cross to the card, which stays as long as it is there. */
  function over(event) {
    if (event.pointerType === "touch") return; // a tap follows the link
    const target = event.target.closest ? event.target : null;
    const link = target && target.closest(LINKS);
    if (link && link === under) return;
    under = link;
    point = { x: event.clientX, y: event.clientY };
    if (link && link !== shown) later(() => show(link), DELAY);
    else if (link || (target && card.contains(target))) clearTimeout(timer);
    else if (!shown) hide();
    else if (!focused(shown)) later(hide, GRACE);
  }

  document.addEventListener("pointerover", over);
  document.documentElement.addEventListener("pointerleave", over);
  document.addEventListener("focusin", (event) => {
    if (!event.target.matches(LINKS) || !focused(event.target)) return;
    point = null;
    show(event.target);
  });
  document.addEventListener("focusout", (event) => {
    if (event.target === shown && !card.matches(":hover") && !shown.matches(":hover")) hide();
    else if (event.target === wanted && wanted !== under) wanted = null;
  });
  document.addEventListener("click", (event) => event.target.closest(LINKS) && hide());
  addEventListener("resize", () => shown && place());
  // Escape closes the card alone, and leaves focus and pointer where they are.
  addEventListener(
    "keydown",
    (press) => {
      if (press.key !== "Escape" || document.querySelector("dialog[open]")) return;
      if (shown) press.stopPropagation();
      hide();
    },
    true,
  );
  const article = document.querySelector("article");
  if (article) article.append(card);
})();
