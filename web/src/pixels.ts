/** The single owner of pixel layout: canvases hold RGBA, models take RGB whose sides a number divides. */

/** A length grown to the next multiple. */
export function roundUp(length: number, multiple: number): number {
  return Math.ceil(length / multiple) * multiple;
}

/**
 * Drop alpha and repeat the right and lower edge until `multiple` divides both sides.
 *
 * @param rgba Pixels of a canvas, row by row.
 * @param rgb Where to write; at least `roundUp(width) * roundUp(height) * 3` long.
 */
export function packRgb(rgba: Uint8ClampedArray, width: number, height: number, multiple: number, rgb: Uint8Array): void {
  const [columns, rows] = [roundUp(width, multiple), roundUp(height, multiple)];
  let to = 0;
  for (let y = 0; y < rows; y++) {
    const row = Math.min(y, height - 1) * width * 4;
    for (let x = 0; x < columns; x++) {
      const from = row + Math.min(x, width - 1) * 4;
      rgb[to++] = rgba[from]!;
      rgb[to++] = rgba[from + 1]!;
      rgb[to++] = rgba[from + 2]!;
    }
  }
}

/**
 * Blend the model's output into the canvas pixels it was made from: `frame + strength * (sharp - frame)`, rounded and
 * clamped by the clamped array; 1 takes the output as it is.
 *
 * @param columns Width of the (padded) output.
 */
export function blendRgb(
  rgba: Uint8ClampedArray,
  width: number,
  height: number,
  rgb: Uint8Array,
  columns: number,
  strength: number,
): void {
  const plain = strength === 1;
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = y * columns * 3;
    for (let x = 0; x < width; x++, to += 4) {
      for (let colour = 0; colour < 3; colour++, from++) {
        const before = rgba[to + colour]!;
        const sharp = rgb[from]!;
        rgba[to + colour] = plain ? sharp : before + strength * (sharp - before);
      }
      rgba[to + 3] = 255;
    }
  }
}

/**
 * Convert a canvas's pixels to the planes of a video frame: Y'CbCr 4:2:0, ITU-R BT.601, 16 to 235, which is what VP8
 * and WebRTC take for granted; each chroma sample is the mean of four pixels.
 *
 * @param width Even, as is `height`.
 * @returns The planes one after the other, without padding.
 */
export function rgbaToI420(rgba: Uint8ClampedArray, width: number, height: number): Uint8Array {
  const pixels = width * height;
  const planes = new Uint8Array(pixels * 1.5);
  for (let i = 0, at = 0; i < pixels; i++, at += 4) {
    planes[i] = 16.5 + 0.257 * rgba[at]! + 0.504 * rgba[at + 1]! + 0.098 * rgba[at + 2]!;
  }
  let u = pixels;
  let v = pixels * 1.25;
  const row = 4 * width;
  for (let y = 0; y < height; y += 2) {
    for (let at = y * row, end = at + row; at < end; at += 8) {
      const red = rgba[at]! + rgba[at + 4]! + rgba[at + row]! + rgba[at + row + 4]!;
      const green = rgba[at + 1]! + rgba[at + 5]! + rgba[at + row + 1]! + rgba[at + row + 5]!;
      const blue = rgba[at + 2]! + rgba[at + 6]! + rgba[at + row + 2]! + rgba[at + row + 6]!;
      planes[u++] = 128.5 + (-0.148 * red - 0.291 * green + 0.439 * blue) / 4;
      planes[v++] = 128.5 + (0.439 * red - 0.368 * green - 0.071 * blue) / 4;
    }
  }
  return planes;
}
