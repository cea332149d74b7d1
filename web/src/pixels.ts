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
