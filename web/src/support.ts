import { ClearcallError } from "./errors";

/** The smallest module with a SIMD instruction. */
const SIMD_MODULE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** Whether this browser can run the models at all. */
export function hasSimd(): boolean {
  return typeof WebAssembly === "object" && WebAssembly.validate(SIMD_MODULE);
}

/** Refuse a browser that can't run the models. */
export function checkSupport(): void {
  if (!hasSimd()) {
    throw new ClearcallError("This browser lacks WebAssembly SIMD, which sharpening needs: update it, or use another.");
  }
  if (!globalThis.crypto?.subtle) {
    throw new ClearcallError("Sharpening needs a secure page: open it by https, or on this computer as localhost.");
  }
}
