import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Gate, measures, MEASURES, softmax, Steady } from "../src/gate.ts";

/** What Python gives for the same pictures: tests/runtime/test_gate_parity.py. */
const kept = JSON.parse(
  await readFile(new URL("../../tests/runtime/gate-parity.json", import.meta.url), "utf8"),
) as {
  pictures: { sizes: [number, number, number]; measures: number[] }[];
  gate: Record<string, unknown>;
  scores: number[][];
  stream: number[];
  choices: string[];
};

const written = (values: unknown) => new TextEncoder().encode(JSON.stringify(values));
const close = (found: Iterable<number>, expected: number[], what: string) =>
  [...found].forEach((value, at) => {
    assert.ok(Math.abs(value - expected[at]!) < 1e-4, `${what}, figure ${at}: ${value}, not ${expected[at]}`);
  });

/** The same picture as Python's, by whole numbers alone. */
function picture(width: number, height: number, factor: number): Uint8ClampedArray {
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const [column, row] = [Math.floor(x / factor), Math.floor(y / factor)];
      for (let colour = 0; colour < 3; colour++) {
        const wave = Math.abs(((3 * x + 5 * y + 40 * colour) % 360) - 180);
        rgba[at + colour] = (wave + ((7 * column * row + 31 * column * column + 13 * colour * column) % (67 + 6 * colour))) % 256;
      }
    }
  }
  return rgba;
}

for (const { sizes, measures: expected } of kept.pictures) {
  test(`measures are Python's at ${sizes.join(", ")}`, () => {
    const [width, height, factor] = sizes;
    const found = measures(picture(width, height, factor), width, height);
    assert.equal(found.length, MEASURES);
    close(found, expected, "measures");
  });
}

test("measures don't hang on the pictures before", () => {
  const [first, second] = [picture(320, 20, 2), picture(64, 48, 3)];
  const alone = measures(second, 64, 48);
  measures(first, 320, 20);
  assert.deepEqual(measures(second, 64, 48), alone);
});

test("scores and a stream's choices are Python's", () => {
  const gate = Gate.read(written(kept.gate), "small");
  const measured = kept.pictures.map((one) => Float32Array.from(one.measures));
  measured.forEach((values, at) => close(gate.scores(values), kept.scores[at]!, `scores of picture ${at}`));
  const steady = new Steady(gate);
  assert.deepEqual(kept.stream.map((at) => steady.choose(() => measured[at]!)), kept.choices);
});

test("trust sums to one, however large the scores are", () => {
  close(softmax(Float32Array.from([1_000, 1_000, -1_000])), [0.5, 0.5, 0], "trust");
});

const ones = Array<number>(MEASURES).fill(1);
const plain = {
  ...{ format_version: 2, choices: ["general", "far"], mean: ones.map(() => 0), scale: ones },
  layers: [{ weight: [ones, ones.map(() => -1)], bias: [0, 0] }],
};

test("one frame that differs changes nothing; several do", () => {
  const steady = new Steady(Gate.read(written(plain), "small"));
  let measured = 0;
  const choose = (sign: number) =>
    steady.choose(() => {
      measured++;
      return Float32Array.from(ones, (one) => sign * one);
    });
  const groups = (...signs: number[]) => signs.flatMap((sign) => Array<number>(4).fill(sign));
  assert.deepEqual(groups(1, -1, 1, 1, -1).map(choose), Array(20).fill("general"));
  assert.equal(measured, 5, "every fourth frame is measured");
  assert.deepEqual(groups(-1, -1, -1).map(choose).at(-1), "far");
});

const [layer] = plain.layers;
const WRONG: [string, unknown, RegExp][] = [
  ["nothing", undefined, /can't be read/],
  ["a list", [plain], /can't be read/],
  ["no version", { ...plain, format_version: undefined }, /has a format this page doesn't know/],
  ["another version", { ...plain, format_version: 1 }, /has a format this page doesn't know/],
  ["no choices", { ...plain, choices: [] }, /don't fit together/],
  ["choices that are no names", { ...plain, choices: [1, 2] }, /don't fit together/],
  ["a choice too many", { ...plain, choices: ["general", "far", "fine"] }, /don't fit together/],
  ["a short mean", { ...plain, mean: ones.slice(1) }, /don't fit together/],
  ["no mean", { ...plain, mean: undefined }, /don't fit together/],
  ["a scale of 0", { ...plain, scale: [0, ...ones.slice(1)] }, /don't fit together/],
  ["a number that is none", { ...plain, mean: [null, ...ones.slice(1)] }, /don't fit together/],
  ["a number as text", { ...plain, mean: ["1", ...ones.slice(1)] }, /don't fit together/],
  ["a number beyond all bounds", { ...plain, mean: [1e300, ...ones.slice(1)] }, /don't fit together/],
  ["no layers", { ...plain, layers: [] }, /don't fit together/],
  ["layers that are none", { ...plain, layers: "two" }, /don't fit together/],
  ["a layer that is none", { ...plain, layers: [null] }, /don't fit together/],
  ["a short row", { ...plain, layers: [{ ...layer, weight: [ones, ones.slice(1)] }] }, /don't fit together/],
  ["a short bias", { ...plain, layers: [{ ...layer, bias: [0] }] }, /don't fit together/],
  ["layers of different widths", { ...plain, layers: [layer, layer] }, /don't fit together/],
];

for (const [what, values, expected] of WRONG) {
  test(`a gate with ${what} is refused in a sentence`, () => {
    const content = values === undefined ? new Uint8Array([123]) : written(values);
    assert.throws(() => Gate.read(content, "small"), (error: Error) => {
      assert.equal(error.name, "ClearcallError");
      assert.match(error.message, /^The gate of the model small .*again\.$/);
      return expected.test(error.message);
    });
  });
}
