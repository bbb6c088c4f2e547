// SPDX-License-Identifier: MIT
// heapsnapshot.mjs FILE...: what the developer tools of Chromium make of heap snapshots, by their own code, as JSON: objects by
// name with count, own and retained size and distance from the roots; with two files also what is new and gone between them.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import os from 'node:os';
import path from 'node:path';
import {pathToFileURL} from 'node:url';
import esbuild from 'esbuild';

const require = createRequire(import.meta.url);
const tools = path.join(path.dirname(require.resolve('chrome-devtools-frontend/package.json')), 'front_end');
const entry = `
  export * from '${tools}/entrypoints/heap_snapshot_worker/HeapSnapshot.ts';
  export * from '${tools}/entrypoints/heap_snapshot_worker/HeapSnapshotLoader.ts';
  export * from '${tools}/models/heap_snapshot/HeapSnapshotModel.ts';`;
const locales = `export const LOCALES = [], BUNDLED_LOCALES = [], DEFAULT_LOCALE = 'en-US';
  export const REMOTE_FETCH_PATTERN = '', LOCAL_FETCH_PATTERN = '';`; // a file that the tools' own build makes

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gcalloc-readers-'));
const bundle = path.join(folder, 'tools.mjs');
await esbuild.build({
  stdin: {contents: entry, resolveDir: tools, loader: 'ts'},
  bundle: true, platform: 'node', format: 'esm', outfile: bundle, logLevel: 'error',
  plugins: [{
    name: 'locales',
    setup(build) {
      build.onResolve({filter: /\/locales\.js$/}, () => ({path: 'locales', namespace: 'made'}));
      build.onLoad({filter: /.*/, namespace: 'made'}, () => ({contents: locales}));
    },
  }],
});
Promise.withResolvers ??= () => {
  let resolve, reject;
  const promise = new Promise((yes, no) => { resolve = yes; reject = no; });
  return {promise, resolve, reject};
};
const {HeapSnapshotLoader, SecondaryInitManager, NodeFilter} = await import(pathToFileURL(bundle));
fs.rmSync(folder, {recursive: true});

async function load(file) {
  const loader = new HeapSnapshotLoader({sendEvent() {}});
  const {port1, port2} = new MessageChannel();
  new SecondaryInitManager(port2);
  port2.start();
  for (const chunk of fs.readFileSync(file, 'utf8').match(/[^]{1,5000}/g)) loader.write(chunk);
  loader.close();
  return loader.buildSnapshot(port1);
}

const [first, second] = await Promise.all(process.argv.slice(2).map(load));
const classes = Object.values(first.aggregatesWithFilter(new NodeFilter()));
const result = {
  total: first.totalSize,
  classes: Object.fromEntries(classes.map((one) => [one.name, {
    count: one.count, self: one.self, retained: one.maxRet, distance: one.distance}])),
};
if (second) {
  const difference = second.calculateSnapshotDiff('first', first.aggregatesForDiff('[]'));
  result.difference = Object.fromEntries(Object.values(difference).map((one) => [one.name, {
    added: one.addedCount, removed: one.removedCount}]));
}
console.log(JSON.stringify(result));
process.exit(0);
