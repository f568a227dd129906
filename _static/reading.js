/* What helps a reader on the way through the book: turning pages by keys, where one is and was. */
(function () {
  "use strict";

  const all = (selector, inside = document) => Array.from(inside.querySelectorAll(selector));
  const one = (selector) => document.querySelector(selector);
  const base = document.currentScript.src.replace(/_static\/[^/]*$/, "");

  /* ← and → turn the pages, unless what has the focus, or a text that is too wide, needs them. */
  function turning() {
    const OTHERS = "input, textarea, select, audio, video, [contenteditable], [role=slider], [tabindex='0'], .live-controls";
    addEventListener("keydown", (press) => {
      const side = { ArrowLeft: "left-prev", ArrowRight: "right-next" }[press.key];
      if (!side || press.defaultPrevented || press.repeat) return;
      if (press.ctrlKey || press.metaKey || press.altKey || press.shiftKey) return;
      if (press.target.closest && press.target.closest(OTHERS)) return;
      if (one("dialog[open]") || document.scrollingElement.scrollWidth > innerWidth + 1) return;
      const link = one(`.prev-next-area a.${side}`);
      if (link) link.click();
    });
  }

  /* The section that is being read is marked in the contents, and the place kept for another day. */
  function place() {
    const KEY = `unrolled-place ${base}`;
    const links = new Map(all("#pst-page-toc-nav a[href^='#']").map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
    const sections = all("article section[id]").filter((section) => section.querySelector(":scope > :is(h1, h2, h3, h4)"));
    const bar = one("#pst-secondary-sidebar");
    let last = null;

    /* The section whose heading has been passed last; at the end of the page the last one. */
    function now() {
      const line = innerHeight * 0.3;
      const end = scrollY > 0 && scrollY + innerHeight >= document.scrollingElement.scrollHeight - 2;
      return sections.filter((section) => end || section.getBoundingClientRect().top <= line).pop() || sections[0];
    }

    function look() {
      const section = now();
      if (!section || section === last) return;
      last = section;
      let listed = section; // a section may be too deep for the contents
      while (listed && !links.has(listed.id)) listed = listed.parentElement.closest("section[id]");
      links.forEach((link, id) => {
        const here = Boolean(listed) && id === listed.id;
        link.classList.toggle("active", here);
        if (here) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      });
      const link = listed && links.get(listed.id);
      if (link && bar && bar.scrollHeight > bar.clientHeight) {
        const [top, height] = [link.getBoundingClientRect().top - bar.getBoundingClientRect().top, bar.clientHeight];
        if (top < 40 || top > height - 40) bar.scrollTop += top - height / 2;
      }
    }

    function keep() {
      const section = now();
      if (!section || !location.href.startsWith(`${base}chapters/`)) return;
      const heading = (tag) => {
        const copy = tag.querySelector("h1, h2, h3, h4").cloneNode(true);
        all(".headerlink, mjx-assistive-mml", copy).forEach((extra) => extra.remove());
        return copy.textContent.trim();
      };
      const page = location.href.slice(base.length).replace(/[?#].*/, "");
      const value = { page, id: section.id, chapter: heading(sections[0]), title: section === sections[0] ? "" : heading(section) };
      try {
        localStorage.setItem(KEY, JSON.stringify(value));
      } catch (blocked) {
        /* Then the book forgets. */
      }
    }

    /* On the cover, a line that leads back. */
    function goOn() {
      const before = one("#unrolled > p:has(> .sd-btn), #unrolled > h1 + p");
      let kept = null;
      try {
        kept = JSON.parse(localStorage.getItem(KEY));
      } catch (blocked) {
        return;
      }
      if (!before || !kept || !/^chapters\/[-\w]+\.html$/.test(kept.page)) return;
      const line = Object.assign(document.createElement("p"), { className: "go-on", textContent: "Go on where you were: " });
      const link = Object.assign(document.createElement("a"), { href: `${base}${kept.page}#${encodeURIComponent(kept.id)}` });
      link.textContent = kept.title ? `${kept.chapter}: ${kept.title}` : kept.chapter;
      line.append(link);
      before.before(line);
    }

    let waiting = 0;
    let asked = false;
    addEventListener(
      "scroll",
      () => {
        if (!asked) requestAnimationFrame(() => ((asked = false), look()));
        asked = true;
        clearTimeout(waiting);
        waiting = setTimeout(keep, 500);
      },
      { passive: true },
    );
    addEventListener("resize", look);
    addEventListener("pagehide", keep);
    document.addEventListener("visibilitychange", () => document.hidden && keep());
    look();
    keep();
    goOn();
  }

  /* A figure opens as large as the window, in a small window larger; Escape or a press anywhere closes it. */
  function large() {
    const figures = all("article figure").filter((figure) => figure.querySelector("img"));
    if (!figures.length) return;
    const box = Object.assign(document.createElement("dialog"), { className: "figure-large" });
    const close = Object.assign(document.createElement("button"), { type: "button", className: "dialog-close", textContent: "Close" });
    box.addEventListener("click", () => box.close());
    box.addEventListener("close", () => box.replaceChildren());
    one("main").append(box);
    figures.forEach((figure) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "figure-open", textContent: "Enlarge" });
      const number = figure.querySelector(".caption-number");
      const name = number ? number.textContent.trim() : "the figure";
      button.setAttribute("aria-label", `Enlarge ${name}`);
      const open = () => {
        const picture = figure.querySelector("img"); // none once its script has taken its place
        if (!picture || box.open) return;
        const copy = picture.cloneNode();
        ["id", "style", "width", "height"].forEach((key) => copy.removeAttribute(key));
        box.setAttribute("aria-label", name);
        const pan = Object.assign(document.createElement("div"), { className: "figure-pan", tabIndex: 0 });
        pan.setAttribute("role", "group");
        pan.setAttribute("aria-label", `${name}, enlarged`);
        pan.append(copy);
        box.append(pan, close);
        button.focus(); // where the focus returns to
        box.showModal();
        close.focus();
      };
      button.addEventListener("click", open);
      figure.addEventListener("click", (press) => {
        if (press.target.matches("img") && !press.target.closest("a")) open();
      });
      figure.prepend(button);
    });
  }

  turning();
  place();
  large();
})();
