/**
 * The gate: tells from a frame what the link has done to it, and so which expert's weights it needs; the same figures,
 * file and policy as `clearcall.runtime.gate`, where they are explained.
 */
import { ClearcallError } from "./errors";

/** The choice that stands for the bundle's own weights, made for all links. */
export const GENERAL = "general";
/** The choice that leaves a frame as it is. */
export const UNTOUCHED = "untouched";

const FORMAT_VERSION = 2;
const SAMPLES = 10_240;
const LONGEST = 512;
const FEWEST_COLUMNS = 48;
const DISTANCES = [1, 2, 3, 4, 6, 8];
const PERIODS = [2, 3, 4, 6, 8];
const FOLD = 24;
const LOUDEST = 8;
/** Frames with a shorter side say too little: they get the weights for all links. */
export const SMALLEST_SIDE = 48;

const [FLAT, NEARLY_FLAT, EDGE] = [0.5, 1.5, 16.5];
/** Third differences below these are nought but for rounding. */
const VANISHED = [1, 2];
const LITTLE = 0.02;
/** A stream's first frame is measured, and then one of so many. */
const EVERY = 4;
const SHARE = 0.34;
const LEAD = 0.3;

/** How many figures `measures` gives. */
export const MEASURES = DISTANCES.length + PERIODS.length + 6 + VANISHED.length + 3;

let luma = new Float32Array();
const sums = new Float64Array(DISTANCES.length);
const folded = new Float64Array(FOLD);
const shares = new Float64Array(3);
/** Sums of first, second, third and fourth differences, of squares, and of products with the next and the next but one. */
const rough = new Float64Array(7);
/** How many third differences have vanished, at even and at odd places. */
const vanished = new Float64Array(2 * VANISHED.length);

/**
 * Measure what a link leaves in a frame.
 *
 * @param rgba Pixels of a canvas, row by row.
 * @returns Logarithms of mean second differences by distance, and of the strength of patterns by period; how rough
 *   second differences are; shares of flat, nearly flat and sharp places.
 */
export function measures(rgba: Uint8ClampedArray, width: number, height: number): Float32Array {
  const length = Math.min(width, LONGEST);
  const columns = length < FEWEST_COLUMNS ? length * Math.ceil(FEWEST_COLUMNS / length) : length;
  const rows = Math.min(height, Math.max(1, Math.floor(SAMPLES / length)));
  const places = Math.floor((width - length) / FOLD) + 1;
  if (luma.length !== columns) luma = new Float32Array(columns);
  for (const tally of [sums, folded, shares, rough, vanished]) tally.fill(0);
  for (let row = 0; row < rows; row++) {
    const y = Math.floor(((2 * row + 1) * height) / (2 * rows));
    const x = FOLD * Math.floor((((row * 618) % 1000) * places) / 1000);
    takePiece(rgba, y * width + x, length);
    DISTANCES.forEach((distance, at) => (sums[at]! += secondDifferences(luma, distance)));
    tallyNearest(luma);
    tallyRough(luma);
  }
  return figures(columns, rows);
}

/** A piece of a row as luma (ITU-R BT.709-6, item 3.2); that of a narrow frame is repeated to its right. */
function takePiece(rgba: Uint8ClampedArray, start: number, length: number): void {
  for (let x = 0, at = start * 4; x < length; x++, at += 4) {
    luma[x] = 0.2126 * rgba[at]! + 0.7152 * rgba[at + 1]! + 0.0722 * rgba[at + 2]!;
  }
  for (let x = length; x < luma.length; x++) luma[x] = luma[x - length]!;
}

function secondDifferences(row: Float32Array, distance: number): number {
  let sum = 0;
  for (let x = 2 * distance; x < row.length; x++) {
    sum += Math.abs(row[x]! + row[x - 2 * distance]! - 2 * row[x - distance]!);
  }
  return sum;
}

/** Patterns and shares of a row, from second differences of neighbours. */
function tallyNearest(row: Float32Array): void {
  const count = row.length - 2;
  const whole = count - (count % FOLD);
  for (let x = 0; x < count; x++) {
    const second = Math.abs(row[x]! + row[x + 2]! - 2 * row[x + 1]!);
    if (x < whole) folded[x % FOLD]! += Math.min(second, LOUDEST);
    if (second < FLAT) shares[0]!++;
    if (second < NEARLY_FLAT) shares[1]!++;
    if (second > EDGE) shares[2]!++;
  }
}

/** How rough a row is; see Python's `_roughness`. */
function tallyRough(row: Float32Array): void {
  let [first, second, third, before] = [0, 0, 0, 0];
  for (let x = 1; x < row.length; x++) {
    const first1 = row[x]! - row[x - 1]!;
    const second1 = first1 - first;
    const third1 = second1 - second;
    rough[0]! += Math.abs(first1);
    if (x > 1) {
      rough[1]! += Math.abs(second1);
      rough[4]! += second1 * second1;
    }
    if (x > 2) {
      rough[2]! += Math.abs(third1);
      tallyThird(Math.abs(third1), x - 3);
      rough[5]! += second1 * second;
    }
    if (x > 3) {
      rough[3]! += Math.abs(third1 - third);
      rough[6]! += second1 * before;
    }
    [first, before, second, third] = [first1, second, second1, third1];
  }
}

function tallyThird(size: number, place: number): void {
  for (let at = 0; at < VANISHED.length; at++) if (size < VANISHED[at]!) vanished[2 * at + (place % 2)]!++;
}

/** By how much the shares of third differences that have vanished differ between even and odd places. */
function alternation(columns: number, rows: number): number[] {
  const count = columns - 3;
  const [even, odd] = [rows * Math.ceil(count / 2), rows * Math.floor(count / 2)];
  return VANISHED.map((_, at) => Math.abs(vanished[2 * at]! / even - vanished[2 * at + 1]! / odd));
}

function roughness(columns: number, rows: number): number[] {
  const mean = (at: number, shorter: number) => rough[at]! / (rows * (columns - shorter));
  const usual = mean(1, 2) + LITTLE;
  const power = mean(4, 2) + LITTLE / 2;
  const others = [mean(0, 1), mean(2, 3), mean(3, 4)].map((each) => Math.log((each + LITTLE) / usual));
  return [...others, Math.log(Math.sqrt(power) / usual), mean(5, 3) / power, mean(6, 4) / power];
}

function figures(columns: number, rows: number): Float32Array {
  const measured = new Float32Array(MEASURES);
  const level = (at: number) => Math.log(sums[at]! / (rows * (columns - 2 * DISTANCES[at]!)) + LITTLE);
  const farthest = DISTANCES.length - 1;
  for (let at = 0; at < farthest; at++) measured[at] = level(at) - level(farthest);
  measured[farthest] = level(farthest);
  PERIODS.forEach((period, at) => (measured[DISTANCES.length + at] = patternOf(period)));
  const shared = [...shares].map((count) => count / (rows * (columns - 2)));
  measured.set(
    [...roughness(columns, rows), ...alternation(columns, rows), ...shared],
    DISTANCES.length + PERIODS.length,
  );
  return measured;
}

function patternOf(period: number): number {
  let [real, imaginary, total] = [0, 0, 0];
  for (let at = 0; at < FOLD; at++) {
    const angle = (2 * Math.PI * at) / period;
    real += folded[at]! * Math.cos(angle);
    imaginary += folded[at]! * Math.sin(angle);
    total += folded[at]!;
  }
  return Math.log(Math.hypot(real, imaginary) / (total + 1) + 0.01);
}

interface Layer {
  weight: Float32Array[];
  bias: Float32Array;
}

/** A small network from `measures` to a score for each choice. */
export class Gate {
  private constructor(
    /** Names of experts, and perhaps `GENERAL` and `UNTOUCHED`, in the order of the scores. */
    readonly choices: readonly string[],
    private readonly mean: Float32Array,
    private readonly scale: Float32Array,
    private readonly layers: readonly Layer[],
  ) {}

  /**
   * Read a gate's file.
   *
   * @param model Name of its model, for what is said about it.
   * @throws ClearcallError Not a gate, of another version, or with layers that don't fit together.
   */
  static read(content: Uint8Array, model: string): Gate {
    const values = parse(content);
    if (!values) throw new ClearcallError(`The gate of the model ${model} can't be read; export the model again.`);
    if (values.format_version !== FORMAT_VERSION) {
      throw new ClearcallError(
        `The gate of the model ${model} has a format this page doesn't know; reload the page, or export the model again.`,
      );
    }
    const gate = fitted(values);
    if (!gate) {
      throw new ClearcallError(`The gate of the model ${model} has layers that don't fit together; export it again.`);
    }
    return new Gate(gate.choices, gate.mean, gate.scale, gate.layers);
  }

  /** Score each choice; the highest is the best. */
  scores(measured: Float32Array): Float32Array {
    const start = measured.map((value, at) => (value - this.mean[at]!) / this.scale[at]!);
    return this.layers.reduce<Float32Array>(
      (values, layer, number) => apply(layer, number ? values.map(rectify) : values),
      start,
    );
  }
}

function rectify(value: number): number {
  return Math.max(value, 0);
}

function apply({ weight, bias }: Layer, values: Float32Array): Float32Array {
  return bias.map((start, output) => {
    const row = weight[output]!;
    let sum = start;
    for (let at = 0; at < row.length; at++) sum += row[at]! * values[at]!;
    return sum;
  });
}

function parse(content: Uint8Array): Record<string, unknown> | null {
  try {
    const values: unknown = JSON.parse(new TextDecoder().decode(content));
    return isTable(values) ? values : null;
  } catch {
    return null;
  }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The parts of a gate; null if one is missing, or has another size than the others need. */
function fitted({ choices, mean, scale, layers }: Record<string, unknown>) {
  const [means, scales] = [numbers(mean, MEASURES), numbers(scale, MEASURES)];
  if (!Array.isArray(choices) || !choices.length || !choices.every((name) => typeof name === "string")) return null;
  if (!means || !scales?.every((value) => value > 0) || !Array.isArray(layers)) return null;
  const read: Layer[] = [];
  let inputs = MEASURES;
  for (const layer of layers) {
    const next = layerOf(layer, inputs);
    if (!next) return null;
    read.push(next);
    inputs = next.bias.length;
  }
  return inputs === choices.length ? { choices: choices as string[], mean: means, scale: scales, layers: read } : null;
}

function layerOf(value: unknown, inputs: number): Layer | null {
  if (!isTable(value) || !Array.isArray(value["weight"])) return null;
  const bias = numbers(value["bias"], value["weight"].length);
  const weight = value["weight"].map((row) => numbers(row, inputs));
  return bias && weight.every((row) => row !== null) ? { weight, bias } : null;
}

function numbers(value: unknown, length: number): Float32Array | null {
  if (!Array.isArray(value) || value.length !== length) return null;
  if (!value.every((entry) => typeof entry === "number")) return null;
  const read = Float32Array.from(value);
  return read.every(Number.isFinite) ? read : null;
}

/** Shares of trust. */
export function softmax(scores: Float32Array): Float32Array {
  const highest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  const powers = scores.map((score) => Math.exp(score - highest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Chooses for the frames of one stream, without going to and fro between choices that are nearly as good. */
export class Steady {
  #frames = 0;
  #trust: Float32Array | null = null;
  #chosen = 0;

  constructor(private readonly gate: Gate) {}

  /**
   * Take note of the next frame; the first one's best choice holds until another has earned clearly more trust.
   *
   * @param measure Measures it, by `measures`; called for one frame of some.
   */
  choose(measure: () => Float32Array): string {
    if (this.#frames++ % EVERY === 0) this.#trustIn(this.gate.scores(measure()));
    return this.gate.choices[this.#chosen]!;
  }

  #trustIn(scores: Float32Array): void {
    const newest = softmax(scores);
    if (!this.#trust) [this.#trust, this.#chosen] = [newest, best(newest)];
    const trust = this.#trust.map((share, at) => share + SHARE * (newest[at]! - share));
    const leader = best(trust);
    if (trust[leader]! - trust[this.#chosen]! > LEAD) this.#chosen = leader;
    this.#trust = trust;
  }
}

function best(trust: Float32Array): number {
  return trust.indexOf(Math.max(...trust));
}
