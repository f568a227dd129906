/* What both pages of the lab need, and no drawing: elements by name, words, and patience. */
"use strict";

Lab.page = (function () {
  const $ = (id) => document.getElementById(`lab-${id}`);
  const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

  /** A function that does the task once, when it has not been called for so long. */
  function later(task, milliseconds) {
    let waiting;
    return (...given) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => task(...given), milliseconds);
    };
  }

  /** Said to a screen reader, once things have come to rest. */
  const say = later((text) => {
    $("say").textContent = text;
  }, 500);

  /** Curly quotes, dashes and dots as a keyboard has them: a phone writes others by itself. */
  function plain(text) {
    return text
      .replace(/[\u2018\u2019\u02bc]/g, "'")
      .replace(/[\u201c-\u201e\u00ab\u00bb]/g, '"')
      .replace(/[\u2013\u2014]/g, "-")
      .replace(/\u2026/g, "...")
      .replace(/[\u00a0\u202f]/g, " ");
  }

  return { $, plural, later, say, plain };
})();
