/* The search itself: words, synonyms, ranking. It touches no page, so it also runs in the engine in
   which tools/site_search.py makes the index and tests/test_search.py asks its questions.
   MiniSearch (minisearch.js) finds the sections that hold a word; the order is decided here. */
var Find = (function () {
  "use strict";

  // A heading says what a section is about; `keywords` are its entries in the book's index.
  const FIELDS = ["title", "keywords", "page", "text", "code"];
  const BOOST = { title: 6, keywords: 3, page: 1.5, text: 1, code: 0.5 };
  const OPTIONS = {
    fields: FIELDS,
    searchOptions: { boost: BOOST, combineWith: "OR" },
    tokenize: terms,
    processTerm: (term) => term,
  };
  // Words of a question that say nothing of its subject.
  const SMALL = new Set(
    (
      "a an and any are as at be been between both but by can cannot could did do does doing don else for from get " +
      "gets give had has have how i if in into is isn it its just let like make me mean means more most much my " +
      "need no not of on one or our other out over own please really s same shall should so some such t than that the " +
      "their them then there these they this those to too use used using very vs versus was way we were what when " +
      "where which while who why will with without would you your"
    ).split(" "),
  );
  // What an entry counts for. An appendix repeats in a table what a chapter explains.
  const WEIGHT = { chapter: 1, glossary: 1.15, appendix: 0.6, source: 0.4, name: 0.3 };
  const SAID = 0.8; // what a synonym counts for, beside the word that was typed
  const SHOWN = 160; // letters of the line around a match

  const stemmer = new Stemmer();
  const stems = new Map();

  /* A word without its ending: "gradients" and "gradient" are one. */
  function stem(word) {
    if (!stems.has(word)) stems.set(word, /^[a-z]{4,}$/.test(word) ? stemmer.stemWord(word) : word);
    return stems.get(word);
  }

  /* The words of a text, in lower case and without accents: [{word, start, end}]. */
  function words(text) {
    return Array.from(text.matchAll(/[\p{L}\p{N}]+/gu), (found) => ({
      word: found[0].normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase(),
      start: found.index,
      end: found.index + found[0].length,
    }));
  }

  const SMALL_STEMS = new Set([...SMALL].map(stem));

  function terms(text) {
    return words(text).map(({ word }) => stem(word));
  }

  /* The table of synonyms: each line is "what readers type = what the book says, another word". */
  function synonyms(table) {
    return table
      .split("\n")
      .filter((line) => line.includes("=") && !line.startsWith("#"))
      .map((line) => {
        const [typed, said] = line.split("=");
        return { typed: terms(typed), said: said.split(",").map(terms) };
      })
      .sort((a, b) => b.typed.length - a.typed.length);
  }

  /* The index of `entries`, as text: [{id, title, keywords, page, text, code, kind}]. */
  function build(entries) {
    const index = new MiniSearch(OPTIONS);
    index.addAll(entries);
    return JSON.stringify(index);
  }

  function load(data) {
    return { ...data, index: MiniSearch.loadJS(data.index, OPTIONS), table: synonyms(data.synonyms) };
  }

  /* A question as its ideas, each with all ways to say it: [[["bptt"], ["backpropag", "through", "time"]], …]. */
  function ideas(question, table) {
    const typed = terms(question);
    const found = [];
    for (let at = 0; at < typed.length; ) {
      const line = table.find((entry) => entry.typed.every((term, n) => typed[at + n] === term));
      const length = line ? line.typed.length : 1;
      found.push([typed.slice(at, at + length), ...(line ? line.said : [])]);
      at += length;
    }
    const small = (ways) => ways.length === 1 && SMALL.has(ways[0][0]);
    return found.every(small) ? found : found.filter((ways) => !small(ways));
  }

  /* Where one way to say an idea stands: id -> {score, title, terms}. All of its words must be there.
     last: its last word may not be whole yet. misspelt: up to two of a word's letters may be wrong. */
  function where(index, way, last, misspelt) {
    const options = {
      prefix: (term, n, all) => last && n === all.length - 1 && term.length > 1,
      fuzzy: (term) => (misspelt && term.length > 4 && !/\d/.test(term) ? 0.25 : false),
      maxFuzzy: 2,
      weights: { prefix: 0.5, fuzzy: 0.2 },
      combineWith: "AND",
      tokenize: (text) => text.split(" "), // they are stems: a stem's stem can be another
    };
    const found = new Map();
    for (const hit of index.search(way.join(" "), options)) {
      const heads = hit.queryTerms.filter((term) =>
        Object.entries(hit.match).some(
          ([matched, fields]) => matched.startsWith(term) && fields.some((field) => field === "title" || field === "keywords"),
        ),
      );
      found.set(hit.id, { score: hit.score / hit.queryTerms.length, title: heads.length === hit.queryTerms.length, terms: hit.terms });
    }
    return found;
  }

  /* The words of a text that say something of its subject. */
  function telling(text) {
    return words(text).map(({ word }) => word).filter((word) => !SMALL.has(word));
  }

  /* The same as one text. A plural is no other subject. */
  function subject(text) {
    return telling(text).map((word) => word.replace(/s$/, "")).join(" ");
  }

  /* The names from code in a question, such as lstm_step, layers.SimpleRNN or fit(). */
  function codeNames(question) {
    return Array.from(question.matchAll(/([A-Za-z]\w*)(?:\(\))?/g))
      .filter(([whole]) => /_|[a-z][A-Z]|\)/.test(whole))
      .map(([, name]) => name);
  }

  /* How much more an entry counts that holds the names, and still more if it is the API's entry of one. */
  function named(entry, names) {
    if (entry.kind === "name" && names.includes(entry.title)) return 20;
    const text = `${entry.title} ${entry.text}`;
    return names.length && names.every((name) => text.includes(name)) ? 2 : 1;
  }

  /* The entries that answer a question, the best first. */
  function search(book, question, most = 30) {
    const asked = ideas(question, book.table);
    const typed = telling(question);
    const topic = subject(question);
    const names = codeNames(question);
    const open = !/\s$/.test(question); // the last word may not be whole yet
    const total = new Map();
    let guessed = false; // a word that the book does not have
    asked.forEach((ways, n) => {
      const best = new Map();
      const last = open && n === asked.length - 1;
      const look = (misspelt) =>
        ways.forEach((way, at) => {
          for (const [id, hit] of where(book.index, way, last && at === 0, misspelt)) {
            const before = best.get(id) || { score: 0, title: false, terms: [] };
            best.set(id, {
              score: Math.max(before.score, hit.score * (at ? SAID : 1)),
              title: before.title || hit.title,
              terms: [...before.terms, ...hit.terms],
            });
          }
        });
      look(false);
      if (!best.size) {
        guessed = true;
        look(true);
      }
      for (const [id, hit] of best) {
        const sum = total.get(id) || { score: 0, ideas: 0, titles: 0, terms: new Set() };
        sum.score += hit.score;
        sum.ideas += 1;
        sum.titles += hit.title;
        hit.terms.forEach((term) => sum.terms.add(term));
        total.set(id, sum);
      }
    });
    const ranked = Array.from(total, ([id, sum]) => {
      const entry = book.entries[id];
      const kind = entry.kind !== "section" ? entry.kind : book.pages[entry.page].number ? "chapter" : "appendix";
      const whole = sum.ideas / asked.length; // how much of the question it speaks of
      const head = sum.titles / asked.length; // and how much of it stands in its heading
      const said = new Set(words(entry.title).map(({ word }) => word));
      const literal = typed.filter((word) => said.has(word)).length / (typed.length || 1); // "stateful" is not "state"
      const same = topic && subject(entry.title) === topic ? 3 : 1; // its title is what was typed
      const fit = whole * whole * (1 + 2 * head * head) * (1 + literal / 2);
      const score = sum.score * fit * same * named(entry, names) * WEIGHT[kind];
      return { id, entry, score, whole, terms: sum.terms };
    });
    ranked.sort((a, b) => b.score - a.score || a.id - b.id);
    const near = ranked.filter((hit) => (hit.whole === 1 && !guessed) || hit.score > ranked[0].score / 50);
    return near.slice(0, most).map((hit) => described(book, hit, typed));
  }

  /* What is shown of a hit, and which of its words are to be marked. */
  function described(book, { entry, score, terms }, typed) {
    const telling = new Set([...terms].filter((term) => !SMALL_STEMS.has(term)));
    const shown = telling.size ? telling : terms;
    const { line, start } = around(entry.text, shown);
    const page = book.pages[entry.page];
    return {
      title: entry.title || page.title,
      page: page.title,
      number: page.number,
      kind: entry.kind,
      href: page.href + (entry.anchor ? `#${entry.anchor}` : ""),
      line: (start > 0 ? "… " : "") + line,
      words: [...new Set([...forms(`${entry.title} ${entry.text}`, shown), ...typed.filter((word) => shown.has(stem(word)))])],
      score,
    };
  }

  /* The words of a text that are forms of one of the terms. */
  function forms(text, terms) {
    return [...new Set(words(text).filter(({ word }) => terms.has(stem(word))).map(({ word }) => word))];
  }

  /* The line of a text in which most of the terms stand, cut to its length at words. */
  function around(text, terms) {
    let best = { line: "", start: 0, found: -1 };
    for (const line of text.split("\n")) {
      const all = words(line);
      const hits = all.filter(({ word }) => terms.has(stem(word)));
      if (!hits.length && best.found >= 0) continue;
      for (const first of hits.length ? hits : [{ start: 0 }]) {
        const inside = hits.filter(({ start }) => start >= first.start && start < first.start + SHOWN - 40);
        const found = new Set(inside.map(({ word }) => stem(word))).size;
        if (found > best.found) {
          const before = all.filter(({ start }) => start <= Math.max(0, first.start - 40));
          const start = line.length <= SHOWN || !before.length ? 0 : before[before.length - 1].start;
          const rest = line.slice(start);
          const shown = rest.length <= SHOWN ? rest : rest.slice(0, SHOWN).replace(/\s\S*$/, " …");
          best = { line: shown, start, found };
        }
      }
    }
    return best;
  }

  return { build, load, search, ideas, words, stem, terms };
})();
