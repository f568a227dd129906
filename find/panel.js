/* The list of what was found, in a dialog or on the page for searching. Results are links: Tab and
   the arrow keys reach them, Enter opens one, and a new tab does too. On a touch screen the button
   shows the list. The last question is kept for the tab: whoever comes back finds it there. */
Find.panel = function (region) {
  "use strict";

  const book = (Find.open = Find.open || Find.load(Find.book));
  const form = region.querySelector("form");
  const field = form.querySelector("input");
  const list = region.querySelector(".search-results");
  const count = region.querySelector(".search-count");
  const root = form.getAttribute("action").replace(/search\.html$/, "");
  const touch = matchMedia("(hover: none)").matches;
  const KEPT = `unrolled-asked ${new URL(root || ".", location.href).pathname}`;
  let saying = 0;

  function keep(question) {
    try {
      sessionStorage.setItem(KEPT, question);
    } catch (blocked) {}
  }

  function kept() {
    try {
      return sessionStorage.getItem(KEPT) || "";
    } catch (blocked) {
      return "";
    }
  }

  function element(name, className, ...children) {
    const made = document.createElement(name);
    made.className = className;
    made.append(...children);
    return made;
  }

  /* A text with the words that were asked for marked. */
  function marked(text, wanted) {
    const parts = [];
    let end = 0;
    for (const found of Find.words(text)) {
      if (!wanted.has(found.word)) continue;
      parts.push(text.slice(end, found.start), element("mark", "", text.slice(found.start, found.end)));
      end = found.end;
    }
    return [...parts, text.slice(end)];
  }

  function row(hit) {
    const wanted = new Set(hit.words);
    const link = element("a", "search-hit", element("span", "search-title", ...marked(hit.title, wanted)));
    const page = hit.number ? `${hit.number}. ${hit.page}` : hit.page;
    link.append(" ", element("span", "search-place", page));
    if (hit.line) link.append(" ", element("span", "search-line", ...marked(hit.line, wanted)));
    const [file, anchor] = hit.href.split("#");
    const words = encodeURIComponent(hit.words.slice(0, 20).join(" "));
    link.href = `${root}${file}?mark=${words}${anchor ? `#${anchor}` : ""}`;
    link.addEventListener("click", (press) => open(press, link, hit));
    return element("li", "", link);
  }

  /* On the page that is open, go there without loading it again: its cells keep what they have. */
  function open(press, link, hit) {
    const elsewhere = press.ctrlKey || press.metaKey || press.shiftKey || press.altKey;
    if (elsewhere || link.pathname !== location.pathname) return;
    press.preventDefault();
    if (region.close) region.close();
    location.hash = link.hash;
    document.dispatchEvent(new CustomEvent("mark", { detail: { words: hit.words, anchor: link.hash.slice(1) } }));
  }

  /* What to do where nothing is found. */
  function nothing() {
    const faq = book.pages.find((page) => page.href.endsWith("-faq.html"));
    const said = ["Nothing found. The book has no such word: try another"];
    if (faq) {
      const link = element("a", "", faq.title.toLowerCase());
      link.href = root + faq.href;
      said.push(", or the ", link);
    }
    return [...said, "."];
  }

  function show() {
    const question = field.value.trim();
    const hits = question ? Find.search(book, field.value) : [];
    list.replaceChildren(...hits.map(row));
    list.scrollTop = 0;
    clearTimeout(saying);
    const places = hits.length === 1 ? "1 place" : `${hits.length} places`;
    const keys = touch ? "" : " Arrow keys choose, Enter opens.";
    const said = hits.length ? [`${places}.${keys}`] : nothing();
    saying = setTimeout(() => count.replaceChildren(...(question ? said : [])), 250); // not at each letter
  }

  const links = () => Array.from(list.querySelectorAll("a"));
  field.addEventListener("input", () => {
    show();
    keep(field.value.trim());
  });
  form.addEventListener("submit", (press) => {
    press.preventDefault();
    show();
    const [first] = links();
    if (!touch && first) first.click();
    if (touch && first) first.focus(); // the keyboard makes room for the list
  });
  region.addEventListener("keydown", (press) => {
    if (press.isComposing) return;
    const all = links();
    const at = all.indexOf(document.activeElement);
    const here = at >= 0 || document.activeElement === field;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: at < 0 ? null : 0, End: at < 0 ? null : all.length - 1 }[press.key];
    if (!here || to === undefined || to === null || !all.length || (at < 0 && to < 0)) return;
    press.preventDefault();
    if (to < 0) field.focus();
    else all[Math.min(to, all.length - 1)].focus();
  });
  if (field.value) keep(field.value.trim()); // typed while the scripts were loaded
  else if (kept()) {
    field.value = kept();
    field.select(); // the next letter replaces it
  }
  show();
};
