/* What every page of the book does: colours, menus, search, copying, printing.
   It stands in for the theme's scripts; each part works on its own and writes nothing to the console. */
(function () {
  "use strict";

  const root = document.documentElement;
  const all = (selector, inside = document) => Array.from(inside.querySelectorAll(selector));
  const one = (selector) => document.querySelector(selector);
  const wide = (pixels) => matchMedia(`(min-width: ${pixels}px)`).matches;

  function element(name, properties = {}) {
    return Object.assign(document.createElement(name), properties);
  }

  /* Colours: as the system, light, dark. */
  function colours() {
    const button = one(".theme-switch-button");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const modes = ["auto", "light", "dark"];
    const names = { auto: "as the system", light: "light", dark: "dark" };
    function show(mode) {
      root.dataset.mode = mode;
      root.dataset.theme = mode === "auto" ? (system.matches ? "dark" : "light") : mode;
      if (button) {
        button.title = `Colours: ${names[mode]}`;
        button.setAttribute("aria-label", button.title);
      }
    }
    system.addEventListener("change", () => show(root.dataset.mode));
    if (button) {
      button.addEventListener("click", () => {
        const mode = modes[(modes.indexOf(root.dataset.mode) + 1) % modes.length];
        try {
          localStorage.setItem("mode", mode);
        } catch (blocked) {
          /* The choice then lasts as long as the page. */
        }
        show(mode);
      });
    }
    show(root.dataset.mode || "auto");
  }

  /* A dialog that any press outside it closes; Escape does so by itself. */
  function dialog(box) {
    const close = element("button", { type: "button", className: "dialog-close", textContent: "Close" });
    close.addEventListener("click", () => box.close());
    box.append(close);
    box.addEventListener("click", (press) => {
      const edge = box.getBoundingClientRect();
      const inside =
        press.clientX >= edge.left && press.clientX <= edge.right &&
        press.clientY >= edge.top && press.clientY <= edge.bottom;
      // A press on the keyboard has no place: it comes from a control inside.
      if (press.detail > 0 && !inside) box.close();
      if (press.target.closest("a[href^='#']")) box.close();
    });
  }

  /* The two side bars: beside the text where there is room, else in a dialog. */
  function sidebar(button, bar, box, room) {
    if (!button || !bar || !box) return;
    dialog(box);
    function swap(from, to) {
      all(":scope > :not(.dialog-close)", from).forEach((child) => to.append(child));
      Array.from(from.classList).forEach((name) => {
        from.classList.remove(name);
        to.classList.add(name);
      });
    }
    button.addEventListener("click", () => {
      if (wide(room)) {
        const hidden = bar.classList.toggle("pst-sidebar-hidden");
        button.setAttribute("aria-expanded", String(!hidden));
        return;
      }
      swap(bar, box);
      box.showModal();
    });
    box.addEventListener("close", () => {
      swap(box, bar);
      button.focus();
    });
    matchMedia(`(min-width: ${room}px)`).addEventListener("change", (now) => {
      if (now.matches && box.open) box.close();
    });
  }

  /* The search: its scripts, with the index of the book, are loaded when a reader opens it. */
  function search() {
    const box = one("#pst-search-dialog");
    if (!box) return;
    dialog(box);
    const own = one("main form.bd-search"); // the page for searching has a field of its own
    const region = own ? own.parentElement : box;
    const field = region.querySelector("form.bd-search input");
    const says = region.querySelector(".search-count");
    const parts = ["minisearch", "stemmer", "engine", "index", "panel"];
    let loading = null;
    function load(name) {
      return new Promise((done, refused) => {
        const script = element("script", { src: `${box.dataset.find}${name}.js?${box.dataset.version}` });
        script.onload = done;
        script.onerror = refused;
        document.head.append(script);
      });
    }
    function ready() {
      loading =
        loading ||
        parts
          .reduce((before, name) => before.then(() => load(name)), Promise.resolve())
          .then(() => window.Find.panel(region))
          .catch(() => {
            says.textContent = "The index could not be loaded.";
            loading = null;
          });
    }
    const apple = /Mac|iPhone|iPad/.test(navigator.platform);
    if (apple) all(".kbd-shortcut__modifier").filter((k) => k.textContent === "Ctrl").forEach((k) => (k.textContent = "⌘"));
    function open() {
      if (region === box && !box.open) box.showModal();
      field.focus();
      field.select();
      ready();
    }
    all(".search-button__button").forEach((button) => button.addEventListener("click", open));
    addEventListener("keydown", (press) => {
      const modifier = apple ? press.metaKey : press.ctrlKey;
      const typing = press.target.closest && press.target.closest("input, textarea, select, [contenteditable]");
      const slash = press.key === "/" && !typing && !press.ctrlKey && !press.metaKey && !press.altKey;
      const letter = modifier && !press.shiftKey && !press.altKey && press.key.toLowerCase() === "k";
      if (!slash && !letter) return;
      press.preventDefault();
      if (letter && box.open) box.close();
      else open();
    });
    // Escape closes at once, where a browser would first empty the field.
    box.addEventListener("keydown", (press) => {
      if (press.key !== "Escape") return;
      press.preventDefault();
      box.close();
    });
    field.addEventListener("input", ready, { once: true });
    if (own) {
      field.value = new URLSearchParams(location.search).get("q") || "";
      if (field.value) ready();
    }
  }

  /* Mark the words that a reader came for, in the section that the address names. */
  function marks() {
    const UNMARKED = "mjx-container, script, style, svg, button, textarea, select, .run-bar, .headerlink";
    function clear() {
      all("mark.found").forEach((mark) => {
        const parent = mark.parentNode;
        mark.replaceWith(...mark.childNodes);
        parent.normalize();
      });
    }
    /* The parts of the page that belong to an anchor: a section without those in it, a term and its meaning. */
    function parts(anchor) {
      const target = anchor && document.getElementById(anchor);
      if (!target) return [];
      if (target.matches("dt")) return [target, target.nextElementSibling].filter(Boolean);
      return Array.from(target.matches("section") ? target.children : [target]).filter((child) => !child.matches("section"));
    }
    function mark(words, anchor) {
      clear();
      const wanted = new Set(words);
      const plain = (word) => word.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
      const texts = [];
      parts(anchor).forEach((part) => {
        const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          if (!walker.currentNode.parentElement.closest(UNMARKED)) texts.push(walker.currentNode);
        }
      });
      texts.forEach((text) => {
        const found = Array.from(text.data.matchAll(/[\p{L}\p{N}]+/gu)).filter(([word]) => wanted.has(plain(word)));
        found.reverse().forEach((match) => {
          text.splitText(match.index + match[0].length);
          const word = text.splitText(match.index);
          const marked = element("mark", { className: "found" });
          word.replaceWith(marked);
          marked.append(word);
        });
      });
    }
    document.addEventListener("mark", (event) => mark(event.detail.words, decodeURIComponent(event.detail.anchor)));
    addEventListener("keydown", (press) => {
      if (press.key === "Escape") clear();
    });
    const words = new URLSearchParams(location.search).get("mark");
    if (words) {
      mark(words.split(" "), decodeURIComponent(location.hash.slice(1)));
      history.replaceState(null, "", location.pathname + location.hash); // a link that is passed on marks nothing
    }
  }

  /* A button on every block of code to read, none on what code printed. */
  function copying() {
    const said = element("p", { className: "visually-hidden" });
    said.setAttribute("role", "status");
    one("main").append(said);
    function copied(text) {
      if (navigator.clipboard) return navigator.clipboard.writeText(text);
      const field = element("textarea", { value: text, className: "visually-hidden" });
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      return done ? Promise.resolve() : Promise.reject(new Error("refused"));
    }
    all("article div.highlight").forEach((block) => {
      const code = block.querySelector("pre");
      if (!code || block.closest(".cell_output") || block.closest("table")) return;
      const button = element("button", { type: "button", className: "copy-button", textContent: "Copy" });
      button.setAttribute("aria-label", "Copy this code");
      block.append(button);
      button.addEventListener("click", () => {
        const show = (text) => {
          button.textContent = said.textContent = text;
          setTimeout(() => {
            button.textContent = "Copy";
            said.textContent = "";
          }, 2000);
        };
        copied(code.innerText.replace(/\n$/, "")).then(() => show("Copied"), () => show("Not copied"));
      });
    });
  }

  /* What scrolls inside the page can be reached, and so scrolled, by keyboard. It is marked while there
     is more to the right of what it shows, and has a shadow at that edge. */
  function scrollers() {
    const kinds = [
      ["pre", "Code"],
      [".pst-scrollable-table-container", "Table"],
      ["div.math, div.math > mjx-container", "Equation"],
    ];
    // A few pixels are the room beside the text, and hide none of it.
    const more = (box) => box.toggleAttribute("data-more", box.scrollLeft + box.clientWidth < box.scrollWidth - 8);
    const look = () =>
      kinds.forEach(([selector, name]) =>
        all(selector, one("main")).forEach((box) => {
          more(box);
          if (box.scrollWidth > box.clientWidth + 1) {
            box.tabIndex = 0;
            box.setAttribute("role", "group");
            box.setAttribute("aria-label", `${name}, scrolls sideways`);
          } else if (box.tabIndex === 0) {
            ["tabindex", "role", "aria-label"].forEach((key) => box.removeAttribute(key));
          }
        }),
      );
    let waiting = 0;
    const soon = () => {
      clearTimeout(waiting);
      waiting = setTimeout(look, 100);
    };
    addEventListener("resize", soon);
    document.addEventListener("toggle", soon, true);
    const scrolled = ({ target }) => kinds.some(([selector]) => target.matches && target.matches(selector)) && more(target);
    document.addEventListener("scroll", scrolled, { capture: true, passive: true });
    if (document.fonts) document.fonts.ready.then(look);
    look();
  }

  /* The bar above the text has a shadow below the top of the page; the list of chapters shows the open one. */
  function bars() {
    const top = one(".sbt-scroll-pixel-helper");
    if (top) {
      new IntersectionObserver((seen) => {
        document.body.classList.toggle("scrolled", seen[0].boundingClientRect.y < 0);
      }).observe(top);
    }
    const bar = one("#pst-primary-sidebar");
    const current = all(".bd-docs-nav a.current").pop();
    if (bar && current && current.offsetTop > bar.clientHeight / 2) {
      bar.scrollTop = current.offsetTop - bar.clientHeight / 4;
    }
  }

  /* Opened from a folder: there browsers show a notebook's JSON instead of saving the file. */
  function notebooks() {
    if (location.protocol !== "file:") return;
    for (const link of all('a[download][href$=".ipynb"]')) {
      const place = link.getAttribute("href").replace(/^(\.\.\/)+/, "");
      link.target = "_blank";
      link.title = `Open this file of the book's folder in Jupyter: ${place}`;
      if (link.hasAttribute("aria-label")) link.setAttribute("aria-label", link.title);
    }
  }

  /* On paper everything is open, and in the colours for a white ground. */
  function printing() {
    let opened = [];
    let theme = "light";
    addEventListener("beforeprint", () => {
      opened = all("article details:not([open], .run-answer)");
      opened.forEach((box) => (box.open = true));
      theme = root.dataset.theme;
      root.dataset.theme = "light";
    });
    addEventListener("afterprint", () => {
      opened.forEach((box) => (box.open = false));
      root.dataset.theme = theme;
    });
    const button = one(".print-button");
    if (button) button.addEventListener("click", () => print());
    // A link to what lies in a closed solution opens it.
    const reveal = () => {
      const target = location.hash && document.getElementById(location.hash.slice(1));
      const box = target && target.closest("details:not([open])");
      if (box) {
        box.open = true;
        target.scrollIntoView();
      }
    };
    addEventListener("hashchange", reveal);
    reveal();
  }

  colours();
  sidebar(one(".primary-toggle"), one("#pst-primary-sidebar"), one("#pst-primary-sidebar-modal"), 992);
  sidebar(one(".secondary-toggle"), one("#pst-secondary-sidebar"), one("#pst-secondary-sidebar-modal"), 1200);
  search();
  marks();
  copying();
  scrollers();
  bars();
  notebooks();
  printing();
})();
