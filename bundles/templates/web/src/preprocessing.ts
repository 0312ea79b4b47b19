// Resize, crop and normalise an image exactly as the model was checked with. Needs nothing, neither a browser.
// The resampling is Pillow's, to the bit: two passes, each in 22-bit fixed point with 8-bit results.

/** Rows of pixels, channels side by side: bytes[(y * width + x) * channels + c]. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type Filter = "nearest" | "bilinear" | "bicubic" | "lanczos";
export type Resize = "crop" | "stretch" | "letterbox";
export type Input = Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/** How an image becomes the input. */
export interface Preprocessing {
  /** 3 for colours, 1 for luminance */
  readonly channels: number;
  /** of the input */
  readonly height: number;
  readonly width: number;
  /** what the resized image just covers, has, or fits into, as `resize` says */
  readonly coverHeight: number;
  readonly coverWidth: number;
  readonly resize: Resize;
  /** of a letterbox */
  readonly padValue: number;
  readonly filter: Filter;
  /** the model takes blue, green, red; images and pixels are RGB */
  readonly bgr: boolean;
  /** what pixels are divided by before the mean is subtracted */
  readonly divisor: number;
  /** per channel, in the model's order */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** false where the model takes pixels, uint8, and normalises them itself */
  readonly normalises: boolean;
  /** layout of the input, else nchw */
  readonly nhwc: boolean;
}

/** A new image. Throws RangeError where the bytes are not width * height * channels. */
export function pixelsOf(
  width: number, height: number, channels: number,
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(width * height * channels),
): Pixels {
  if (!(width > 0 && height > 0 && bytes.length === width * height * channels)) {
    throw new RangeError("an image is width * height * channels bytes");
  }
  return { width, height, channels, bytes };
}

/** RGB, upright -> what the model sees, still 8 bits and RGB: resized, and cropped or padded. */
export function see(image: Pixels, how: Preprocessing): Pixels {
  if (image.channels !== 3) throw new RangeError("an image has 3 channels, RGB");
  const source = how.channels === 1 ? luminance(image) : image;
  const at = placementIn(source, how);
  const small = resized(source, at.width, at.height, how.filter);
  return window(small, at.left, at.top, how.width, how.height, how.resize === "letterbox" ? how.padValue : 0);
}

/** Where the input lies in an image. */
export interface Placement {
  readonly imageWidth: number;
  readonly imageHeight: number;
  /** that the image is resized to */
  readonly width: number;
  readonly height: number;
  /** where the input begins in the resized image; negative where there is a border */
  readonly left: number;
  readonly top: number;
}

/** Of an odd difference a letterbox has the smaller half above and on the left; a crop halves it to the even number. */
export function placementIn(image: { readonly width: number; readonly height: number }, how: Preprocessing): Placement {
  const { width: w, height: h } = image;
  let width = how.coverWidth;
  let height = how.coverHeight;
  if (how.resize === "letterbox") {
    if (width * h <= height * w) height = Math.max(rounded(width * h, w), 1); // the width is what limits
    else width = Math.max(rounded(height * w, h), 1);
  } else if (how.resize === "crop") {
    if (width * h >= height * w) height = Math.floor((width * h) / w);
    else width = Math.floor((height * w) / h);
  }
  const pads = how.resize === "letterbox";
  const left = pads ? -Math.floor((how.width - width) / 2) : half(width - how.width);
  const top = pads ? -Math.floor((how.height - height) / 2) : half(height - how.height);
  return { imageWidth: w, imageHeight: h, width, height, left, top };
}

/** From pixels of the input to those of the image. */
export function toImageX(x: number, at: Placement): number {
  return (x + at.left) * (at.imageWidth / at.width);
}

export function toImageY(y: number, at: Placement): number {
  return (y + at.top) * (at.imageHeight / at.height);
}

/** What the model takes: uint8 or float32, in its layout. */
export function tensor(pixels: Pixels, how: Preprocessing): Input {
  const { channels, bytes } = pixels;
  const area = pixels.width * pixels.height;
  const result = how.normalises ? new Float32Array(bytes.length) : new Uint8Array(bytes.length);
  for (let c = 0; c < channels; c++) {
    const channel = how.bgr ? channels - 1 - c : c;
    const values = how.normalises ? normalised(how, channel) : null;
    const start = how.nhwc ? channel : channel * area;
    const step = how.nhwc ? channels : 1;
    for (let i = 0; i < area; i++) {
      const pixel = bytes[i * channels + c]!;
      result[start + i * step] = values === null ? pixel : values[pixel]!;
    }
  }
  return result;
}

/** What each of the 256 pixels becomes in one of the model's channels: float32 after each operation. */
function normalised(how: Preprocessing, channel: number): Float32Array {
  const f32 = Math.fround;
  const divisor = f32(how.divisor);
  const mean = f32(how.mean[channel]!);
  const std = f32(how.std[channel]!);
  return Float32Array.from({ length: 256 }, (_, pixel) => f32(f32(pixel / divisor) - mean) / std);
}

/** Turned and mirrored as EXIF's orientation says: 2 to 8; any other means that the image is upright. */
export function upright(image: Pixels, orientation: number): Pixels {
  if (!(Number.isInteger(orientation) && orientation >= 2 && orientation <= 8)) return image;
  const { width, height, channels, bytes } = image;
  const turned = orientation >= 5;
  const result = turned ? pixelsOf(height, width, channels) : pixelsOf(width, height, channels);
  const mirrorsColumns = [2, 3, 7, 8].includes(orientation);
  const mirrorsRows = [3, 4, 6, 7].includes(orientation);
  let at = 0;
  for (let y = 0; y < result.height; y++) {
    for (let x = 0; x < result.width; x++) {
      let column = turned ? y : x;
      let row = turned ? x : y;
      if (mirrorsColumns) column = width - 1 - column;
      if (mirrorsRows) row = height - 1 - row;
      for (let c = 0; c < channels; c++) result.bytes[at++] = bytes[(row * width + column) * channels + c]!;
    }
  }
  return result;
}

/** Rec. 601 in 16-bit fixed point. */
export function luminance(image: Pixels): Pixels {
  const grey = pixelsOf(image.width, image.height, 1);
  for (let i = 0; i < grey.bytes.length; i++) {
    const [red, green, blue] = [image.bytes[3 * i]!, image.bytes[3 * i + 1]!, image.bytes[3 * i + 2]!];
    grey.bytes[i] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
  }
  return grey;
}

export function resized(image: Pixels, width: number, height: number, filter: Filter): Pixels {
  const c = image.channels;
  if (filter === "nearest") {
    const columns = nearest(image.width, width);
    const rows = nearest(image.height, height);
    const result = pixelsOf(width, height, c);
    let at = 0;
    for (const row of rows) {
      for (const column of columns) {
        const from = (row * image.width + column) * c;
        for (let i = 0; i < c; i++) result.bytes[at++] = image.bytes[from + i]!;
      }
    }
    return result;
  }
  let wide = image;
  if (width !== image.width) {
    wide = pixelsOf(width, image.height, c);
    resample(
      { bytes: image.bytes, line: image.width * c, step: c }, { bytes: wide.bytes, line: width * c, step: c },
      image.height, c, coefficients(image.width, width, filter),
    );
  }
  if (height === image.height) return wide;
  const result = pixelsOf(width, height, c);
  resample(
    { bytes: wide.bytes, line: c, step: width * c }, { bytes: result.bytes, line: c, step: width * c },
    width, c, coefficients(image.height, height, filter),
  );
  return result;
}

/** The part of the image that begins there, filled where there is no image. */
export function window(
  image: Pixels, left: number, top: number, width: number, height: number, fill: number,
): Pixels {
  const c = image.channels;
  const result = pixelsOf(width, height, c);
  result.bytes.fill(fill);
  const from = Math.max(left, 0);
  const to = Math.min(left + width, image.width);
  for (let y = Math.max(top, 0); from < to && y < Math.min(top + height, image.height); y++) {
    const row = image.bytes.subarray((y * image.width + from) * c, (y * image.width + to) * c);
    result.bytes.set(row, ((y - top) * width + from - left) * c);
  }
  return result;
}

/** To the nearest whole number, from the middle to the even one. */
function half(difference: number): number {
  const below = Math.floor(difference / 2);
  return difference % 2 !== 0 && below % 2 !== 0 ? below + 1 : below;
}

/** The quotient, a half to the even number. */
function rounded(dividend: number, divisor: number): number {
  const whole = Math.floor(dividend / divisor);
  const left = dividend - whole * divisor;
  return 2 * left > divisor || (2 * left === divisor && whole % 2 === 1) ? whole + 1 : whole;
}

const BITS = 22; // of a coefficient's fraction
const SUPPORT = { bilinear: 1, bicubic: 2, lanczos: 3 } as const;

/** The first pixel that a result reads, and the weights in units of 2^-BITS. */
interface Row {
  readonly first: number;
  readonly weights: Int32Array;
}

function coefficients(size: number, to: number, filter: Exclude<Filter, "nearest">): Row[] {
  const scale = size / to;
  const stretch = Math.max(scale, 1); // downwards the filter widens: antialiasing
  const reach = SUPPORT[filter] * stretch;
  const shrink = 1 / stretch;
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const last = Math.min(Math.trunc(centre + reach + 0.5), size);
    const shares = Array.from({ length: last - first }, (_, x) => weight(filter, (x + first - centre + 0.5) * shrink));
    let total = 0;
    for (const share of shares) total += share;
    const weights = shares.map((share) => {
      const number = total !== 0 ? share / total : share;
      return Math.trunc(number * 2 ** BITS + (number < 0 ? -0.5 : 0.5));
    });
    return { first, weights: Int32Array.from(weights) };
  });
}

function weight(filter: Exclude<Filter, "nearest">, at: number): number {
  const x = Math.abs(at);
  switch (filter) {
    case "bilinear":
      return Math.max(1 - x, 0);
    case "bicubic": { // Keys' kernel with a = -0.5
      const a = -0.5;
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    }
    case "lanczos":
      return at >= -3 && at < 3 ? sinc(at) * sinc(at / 3) : 0;
  }
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** Sequences of pixels: pixel i of line l begins at l * line + i * step. */
interface Lines {
  readonly bytes: Uint8Array;
  readonly line: number;
  readonly step: number;
}

function resample(from: Lines, to: Lines, lines: number, channels: number, rows: readonly Row[]): void {
  const source = from.bytes;
  const step = from.step;
  for (let l = 0; l < lines; l++) {
    for (let i = 0; i < rows.length; i++) {
      const { first, weights } = rows[i]!;
      for (let c = 0; c < channels; c++) {
        let total = 1 << (BITS - 1);
        let at = l * from.line + first * step + c;
        for (let k = 0; k < weights.length; k++, at += step) total += weights[k]! * source[at]!;
        to.bytes[l * to.line + i * to.step + c] = Math.min(Math.max(total >> BITS, 0), 255);
      }
    }
  }
}

/** The pixel that each of `to` results takes; positions add up in float64, as Pillow does it. */
function nearest(size: number, to: number): number[] {
  const step = size / to;
  let position = step * 0.5;
  return Array.from({ length: to }, () => {
    const found = Math.min(Math.trunc(position), size - 1);
    position += step;
    return found;
  });
}
