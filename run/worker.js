/* What runs in the worker: Pyodide, and in it tools/page_kernel.py. The function is made into a
   script of its own (python.js): it sees nothing of the page. */
Run.worker = function () {
  "use strict";

  const files = {}; // name -> bytes, for what Pyodide fetches
  const types = { wasm: "application/wasm", json: "application/json", zip: "application/zip" };
  let python = null;
  let kernel = null;
  let number = 0; // of the call that is being answered

  /* Pyodide asks for its files by fetch and importScripts; nothing else answers either. */
  function standIn() {
    const take = (address) => {
      const name = decodeURIComponent(String(address.url || address).split("/").pop());
      if (!(name in files)) throw new Error(`${name} is not part of the book`);
      return name;
    };
    self.fetch = async (address) => {
      const name = take(address);
      const type = types[name.split(".").pop()] || "application/octet-stream";
      return new Response(files[name], { headers: { "Content-Type": type } });
    };
    const load = self.importScripts.bind(self);
    const run = (name) => {
      const address = URL.createObjectURL(new Blob([files[name]], { type: "text/javascript" }));
      load(address);
      URL.revokeObjectURL(address);
    };
    self.importScripts = (...addresses) => addresses.forEach((address) => run(take(address)));
    return run;
  }

  const quiet = { messageCallback() {}, errorCallback() {} };

  const answers = {
    async start(call) {
      Object.assign(files, call.files);
      standIn()("pyodide.js");
      python = await self.loadPyodide({
        indexURL: "https://book.invalid/",
        env: {
          HOME: "/home/reader",
          PYTHONHASHSEED: "0",
          UNROLLED_DATA: "sample",
          UNROLLED_ENGINE: "plain",
        },
      });
      await python.loadPackage("numpy", quiet);
      ["chapters", "results", "models", "src", "tools"].forEach((name) => python.FS.mkdirTree(`/book/${name}`));
      python.unpackArchive(files["unrolled.whl"], "zip", { extractDir: "/book/src" });
      python.unpackArchive(files["kernel.zip"], "zip", { extractDir: "/book/tools" });
      python.runPython("import sys; sys.path[:0] = ['/book/src', '/book/tools']");
      kernel = python.pyimport("page_kernel");
      kernel.send = (kind, content) => self.postMessage({ number, kind, content });
      kernel.start();
      Object.keys(files).forEach((name) => delete files[name]);
    },

    async give(call) {
      Object.assign(files, call.files);
      if (call.load === "figures") await python.loadPackage("matplotlib", quiet);
      else Object.keys(call.files).forEach((name) => python.unpackArchive(files[name], "zip", { extractDir: "/book" }));
      Object.keys(files).forEach((name) => delete files[name]);
    },

    run(call) {
      const begin = performance.now();
      const failed = JSON.parse(kernel.run(call.source, call.label, call.asserts));
      return {
        failed,
        seconds: (performance.now() - begin) / 1000,
        memory: python._module.HEAPU8.length,
      };
    },

    check(call) {
      return JSON.parse(kernel.check(call.answer, call.solution, python.toPy(call.wanted)));
    },
  };

  let work = Promise.resolve();
  self.onmessage = ({ data }) => {
    work = work.then(async () => {
      number = data.number;
      try {
        self.postMessage({ number, value: await answers[data.what](data) });
      } catch (error) {
        self.postMessage({ number, error: String(error.message || error) });
      }
    });
  };
};
