// Runs a WebAssembly program (WASI preview 1) with the folder / and no network: node has none for it.
//
//   node run.mjs PROGRAM.wasm ARGUMENT…
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

const [program, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: [program, ...args], preopens: { '/': '/' }, returnOnExit: true });
const module = new WebAssembly.Module(readFileSync(program));
const instance = new WebAssembly.Instance(module, wasi.getImportObject());
process.exit(wasi.start(instance));
