/* Python for the page: its files, and the worker in which it runs.

   A page from file:// may load scripts, but fetch nothing. So each file, gzipped, is base64 in
   scripts that call Run.receive; manifest.js says which. They are unpacked here and handed to the
   worker. */
Run.python = (function () {
  "use strict";

  const pieces = new Map(); // key of a file -> the bytes of its parts
  const unpacked = new Map(); // name of a file -> promise of its bytes
  let worker = null;
  let started = null; // promise: the worker has Python
  let given = new Map(); // name of a file or package -> promise: the worker has it
  let calls = new Map(); // number of a call -> what waits for it
  let last = 0;
  let life = 0; // grows when Python is stopped: what was begun before gives up

  function bytes(base64) {
    const letters = atob(base64);
    const found = new Uint8Array(letters.length);
    for (let at = 0; at < letters.length; at += 1) found[at] = letters.charCodeAt(at);
    return found;
  }

  Run.receive = (key, part, base64) => pieces.get(key).splice(part, 1, bytes(base64));

  async function fetched(name, arrived) {
    const { key, parts } = Run.manifest.files[name];
    pieces.set(key, new Array(parts).fill(null));
    await Promise.all(
      Array.from({ length: parts }, (_, part) => Run.load(`files/${key}-${part}.js`).then(arrived)),
    );
    const stream = new Blob(pieces.get(key)).stream().pipeThrough(new DecompressionStream("gzip"));
    pieces.delete(key);
    return new Response(stream).arrayBuffer();
  }

  /* The bytes of files, by name; `report(share)` is told how much of them has arrived. */
  async function files(names, report = () => {}) {
    const total = names.reduce((sum, name) => sum + Run.manifest.files[name].parts, 0);
    let there = 0;
    const arrived = () => report((there += 1) / total);
    const found = {};
    for (const name of names) {
      if (!unpacked.has(name)) {
        unpacked.set(name, fetched(name, arrived));
        unpacked.get(name).catch(() => unpacked.delete(name));
      }
      found[name] = await unpacked.get(name);
    }
    return found;
  }

  function call(what, data, output = () => {}) {
    const number = (last += 1);
    return new Promise((done, refused) => {
      calls.set(number, { done, refused, output });
      worker.postMessage({ number, what, ...data });
    });
  }

  function open() {
    const source = `(${Run.worker})()`;
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    worker = new Worker(address);
    URL.revokeObjectURL(address);
    worker.onmessage = ({ data }) => {
      const waiting = calls.get(data.number);
      if (!waiting) return;
      if (data.kind) {
        waiting.output(data.kind, data.content);
        return;
      }
      calls.delete(data.number);
      if (data.error) waiting.refused(new Error(data.error));
      else waiting.done(data.value);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      calls.forEach((waiting) => waiting.refused(new Error(event.message || "the worker failed")));
      calls.clear();
    };
  }

  const megabytes = (names) =>
    (names.reduce((sum, name) => sum + Run.manifest.files[name].size, 0) / 1e6).toFixed(1);

  return {
    /* Start Python, unless it runs; `report(text, share)` is told what happens. */
    start(report) {
      if (!started) {
        const mine = life;
        const names = Run.manifest.groups.python;
        const what = `Python, NumPy and the book's library, ${megabytes(names)} MB`;
        started = (async () => {
          report(`Loading ${what}`, 0);
          const found = await files(names, (share) => life === mine && report(`Loading ${what}`, share));
          if (life !== mine) throw new Error("stopped");
          report("Starting Python", null);
          open();
          await call("start", { files: found, numpy: true });
        })();
        started.catch(() => life === mine && this.stop());
      }
      return started;
    },

    /* Give the worker Matplotlib, or files of the book, before code that asks for them runs. */
    async need(names, report) {
      const mine = life;
      for (const name of names) {
        if (!given.has(name)) {
          const group = Run.manifest.groups[name];
          const wanted = group || [name];
          const what = `${group ? "Matplotlib" : name.replace(/\.zip$/, "")}, ${megabytes(wanted)} MB`;
          report(`Loading ${what}`, 0);
          const found = await files(wanted, (share) => life === mine && report(`Loading ${what}`, share));
          if (life !== mine) throw new Error("stopped");
          given.set(name, call("give", { files: found, load: group ? name : null }));
        }
        await given.get(name);
      }
    },

    call,

    /* End the worker, and what it computes and remembers with it. */
    stop() {
      life += 1;
      if (worker) worker.terminate();
      const waiting = [...calls.values()];
      [worker, started, given, calls] = [null, null, new Map(), new Map()];
      waiting.forEach((one) => one.refused(new Error("stopped")));
    },
  };
})();
