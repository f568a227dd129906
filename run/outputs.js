/* The output of a cell, where the book's stored output stands. */
Run.outputs = (function () {
  "use strict";

  const element = Run.element;

  /* What a terminal would show of text with carriage returns, as progress bars print them. */
  function settled(text) {
    return text.replace(/[^\n]*\r(?!\n)/g, "");
  }

  function block(text, name = "") {
    const pre = element("pre", {}, text);
    return element("div", { className: `output ${name}` }, element("div", { className: "highlight" }, pre));
  }

  /* Markdown as cells show it: tables, paragraphs, **bold**, *emphasis*, `code`. */
  function inline(text) {
    const kinds = { "**": "strong", "*": "em", "`": "code" };
    return text.split(/(\*\*[^*]+\*\*|\*[^*]+\*|`[^`]+`)/).map((part) => {
      const mark = /^(\*\*|\*|`)[^]+\1$/.exec(part);
      return mark ? element(kinds[mark[1]], {}, part.slice(mark[1].length, -mark[1].length)) : part;
    });
  }

  function table(lines) {
    const rows = lines.map((line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim()));
    const right = rows[1].map((rule) => rule.endsWith(":"));
    const line = (row, name) =>
      element("tr", {}, ...row.map((text, at) => {
        const cell = element(name, { className: right[at] ? "text-right" : "text-left" }, ...inline(text));
        if (name === "th") cell.scope = "col";
        return cell;
      }));
    const whole = element(
      "table",
      { className: "table" },
      element("thead", {}, line(rows[0], "th")),
      element("tbody", {}, ...rows.slice(2).map((row) => line(row, "td"))),
    );
    return element("div", { className: "pst-scrollable-table-container" }, whole);
  }

  function markdown(text) {
    const parts = text.trim().split(/\n\s*\n/);
    return element("div", { className: "output" }, ...parts.map((part) => {
      const lines = part.split("\n");
      const isTable = lines.length > 1 && /^\s*\|?\s*:?-+/.test(lines[1]);
      return isTable ? table(lines) : element("p", {}, ...inline(part));
    }));
  }

  function picture(src, alt) {
    return element("img", { src, alt });
  }

  /* The place for a cell's output; what was there is kept for `reset`. */
  function place(box) {
    let out = box.querySelector(":scope > .cell_output");
    const made = !out;
    if (made) {
      out = element("div", { className: "cell_output docutils container" });
      box.append(out);
    }
    const original = [...out.childNodes];
    const images = [...out.querySelectorAll("img")];
    const first = images.map((image) => ["src", "alt", "width", "height"].map((key) => [key, image.getAttribute(key)]));
    let items = []; // what the cell has put out: [kind, content]
    let open = null; // the block that printed text goes to

    function reset() {
      items = [];
      open = null;
      images.forEach((image, at) =>
        first[at].forEach(([key, value]) => (value === null ? image.removeAttribute(key) : image.setAttribute(key, value))),
      );
      out.replaceChildren(...original);
      out.hidden = made;
    }

    /* The book's own pictures, with their captions, show what the code has drawn. */
    function draw(drawn, edited) {
      images.forEach((image, at) => {
        ["width", "height"].forEach((key) => image.removeAttribute(key));
        image.src = drawn[at];
        if (edited) image.alt = "What the changed code has drawn";
      });
    }

    return {
      begin() {
        items = [];
        open = null;
      },

      add(kind, content) {
        if (!items.length) {
          out.hidden = false;
          out.replaceChildren();
        }
        items.push([kind, content]);
        if (kind === "stdout" || kind === "stderr") {
          if (!open || open.kind !== kind) {
            open = { kind, block: block("", kind) };
            out.append(open.block);
          }
          const pre = open.block.querySelector("pre");
          pre.textContent = settled(pre.textContent + content);
          return;
        }
        open = null;
        if (kind === "text") out.append(block(content));
        if (kind === "markdown") out.append(markdown(content));
        if (kind === "image") out.append(picture(content, "What the code has drawn"));
      },

      /* The cell has run: is its output the book's? Then the book's own rendering stays. */
      end(cell, edited) {
        const all = (...kinds) => items.filter(([kind]) => kinds.includes(kind)).map(([, content]) => content);
        const drawn = all("image");
        const printed = all("stdout", "text").join("");
        const same =
          settled(printed) === (cell.printed || "") &&
          JSON.stringify(all("markdown")) === JSON.stringify(cell.shown || []) &&
          drawn.length === images.length;
        if (same) {
          reset();
          draw(drawn, edited);
        } else if (!items.length) {
          out.replaceChildren();
          out.hidden = true;
        } else if (images.length && drawn.length === images.length) {
          const kept = original.filter((node) => node.querySelector && (node.matches("img") || node.querySelector("img")));
          out.querySelectorAll(":scope > img").forEach((image) => image.remove());
          draw(drawn, edited);
          out.append(...kept);
        }
        dispatchEvent(new Event("resize")); // what scrolls is marked anew (unrolled.js)
        return same;
      },

      trace(text) {
        out.hidden = false;
        if (!items.length) out.replaceChildren();
        out.append(block(text, "run-trace"));
        dispatchEvent(new Event("resize"));
      },

      reset,
    };
  }

  return { place, block, markdown };
})();
