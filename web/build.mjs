// Builds the page, the module and the worker into the Python package; with --tests, the unit tests into build/.
import { build } from "esbuild";
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const target = path.join(here, "../src/clearcall/web/static");
const runtime = path.join(here, "node_modules/onnxruntime-web/dist");
const common = { bundle: true, format: "esm", target: "es2022", absWorkingDir: here, logLevel: "warning" };

/** The WebAssembly of ONNX Runtime: one for every browser, one with WebGPU for those that have it. */
const WASM = ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.jspi"];

async function buildSite() {
  await rm(target, { recursive: true, force: true });
  await mkdir(path.join(target, "ort"), { recursive: true });
  await build({
    ...common,
    entryPoints: { clearcall: "src/clearcall.ts", worker: "src/worker.ts", page: "src/page/page.ts" },
    outdir: target,
    splitting: true,
    minify: true,
    sourcemap: false,
    legalComments: "inline",
    chunkNames: "chunk-[hash]",
    external: ["./worker.js"],
    // Ask for the builds of ONNX Runtime whose WebAssembly is fetched, not bundled.
    conditions: ["onnxruntime-web-use-extern-wasm"],
  });
  for (const name of WASM) {
    for (const suffix of ["mjs", "wasm"]) {
      await cp(path.join(runtime, `${name}.${suffix}`), path.join(target, "ort", `${name}.${suffix}`));
    }
  }
  for (const file of await readdir(path.join(here, "public"))) {
    await cp(path.join(here, "public", file), path.join(target, file));
  }
}

async function buildTests() {
  const files = (await readdir(path.join(here, "test"))).filter((name) => name.endsWith(".test.ts"));
  await rm(path.join(here, "build"), { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: files.map((name) => path.join(here, "test", name)),
    outdir: path.join(here, "build"),
    outExtension: { ".js": ".mjs" },
    platform: "node",
  });
}

await (process.argv.includes("--tests") ? buildTests() : buildSite());
