// The page: a dropped, pasted or chosen picture, or the camera, and what the model makes of it.
import { Classifier as Wrapper } from "./classifier.js";
import { heading, paint, rows } from "./classifier_view.js";
import { decode, pixelsFrom } from "./image.js";
import { FACTS } from "./model_facts.js";
import { type Pixels, see } from "./preprocessing.js";
import { RUNTIME } from "./runtime.js";
import type { Row } from "./view_types.js";
import type { Choice } from "./vision_model.js";

const MOST_LINES = 10;
let model: Wrapper | undefined;
let shown: { image: Pixels; decodeMs: number } | undefined; // the last picture, for another backend
let stream: MediaStream | undefined;
let turn: Promise<void> = Promise.resolve();
let runsOn = ""; // what is said while nothing is wrong

function part<Kind extends Element>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

const drop = part("drop", HTMLElement);
const picture = part("picture", HTMLCanvasElement);
const overlay = part("overlay", HTMLCanvasElement);
const video = part("video", HTMLVideoElement);
const chooser = part("file", HTMLInputElement);
const choice = part("choice", HTMLSelectElement);
const camera = part("camera", HTMLButtonElement);
const choose = part("choose", HTMLButtonElement);
const state = part("status", HTMLElement);

function say(text: string, failed = false): void {
  state.textContent = text;
  state.classList.toggle("failed", failed);
}

function fail(error: unknown): void {
  say(error instanceof Error ? error.message : String(error), true);
}

function write(id: string, text: string): void {
  part(id, HTMLElement).textContent = text;
}

/** One thing at a time: a model is neither run twice at once nor closed while it runs. */
function inTurn(work: () => Promise<void>): Promise<void> {
  turn = turn.then(work).catch((error: unknown) => {
    stopCamera();
    fail(error);
  });
  return turn;
}

/** Opens the model where it is to run, and looks at the last picture again. */
async function open(): Promise<void> {
  for (const each of [choice, choose, camera]) each.disabled = true;
  say("Loading the model…");
  try {
    await model?.close();
    model = undefined;
    model = await Wrapper.open(choice.value as Choice);
    const where = model.backend === "webgpu" ? "the graphics card (WebGPU)" : "the processor (WebAssembly)";
    runsOn = `${model.note} Runs on ${where}${model.detail && `, ${model.detail}`}.`.trim();
    say(runsOn);
    document.body.dataset["backend"] = model.backend;
    if (shown !== undefined && stream === undefined) await answer(shown.image, shown.decodeMs);
  } finally {
    for (const each of [choice, choose, camera]) each.disabled = false;
  }
}

async function answer(image: Pixels, decodeMs: number): Promise<void> {
  if (model === undefined) return;
  const start = performance.now();
  const pixels = see(image, FACTS.preprocessing);
  const prepared = performance.now();
  const outputs = await model.infer(pixels);
  const done = performance.now();
  draw(part("pixels", HTMLCanvasElement), pixels);
  const found = model.answer(outputs, image);
  list(rows(found));
  overlay.width = image.width;
  overlay.height = image.height;
  paint(overlay.getContext("2d")!, found);
  overlay.hidden = false;
  say(runsOn);
  write("decode", time(decodeMs));
  write("prepare", time(prepared - start));
  write("infer", time(done - prepared));
  part("times", HTMLElement).hidden = part("seen", HTMLElement).hidden = false;
  document.body.dataset["answers"] = String(Number(document.body.dataset["answers"] ?? 0) + 1);
}

function time(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

function list(found: readonly Row[]): void {
  const lines = found.slice(0, MOST_LINES);
  if (found.length === 0) lines.push({ label: "Nothing found", score: "", share: 0 });
  if (found.length > lines.length) lines.push({ label: `and ${found.length - lines.length} more`, score: "", share: 0 });
  part("answer", HTMLOListElement).replaceChildren(...lines.map((each) => {
    const item = document.createElement("li");
    const bar = document.createElement("div");
    bar.className = "bar";
    bar.style.width = `${Math.min(Math.max(each.share, 0), 1) * 100}%`;
    const line = document.createElement("div");
    line.className = "line";
    for (const [kind, text] of [["label", each.label], ["score", each.score]] as const) {
      const span = document.createElement("span");
      span.className = kind;
      span.textContent = text;
      line.append(span);
    }
    item.append(bar, line);
    return item;
  }));
}

function draw(canvas: HTMLCanvasElement, pixels: Pixels): void {
  const image = new ImageData(pixels.width, pixels.height);
  for (let i = 0; i < pixels.width * pixels.height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels.bytes[i * pixels.channels + (pixels.channels === 1 ? 0 : c)]!;
    image.data[4 * i + 3] = 255;
  }
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

async function take(file: Blob | null | undefined): Promise<void> {
  if (!file) return;
  stopCamera();
  await inTurn(async () => {
    const start = performance.now();
    const image = await decode(file);
    shown = { image, decodeMs: performance.now() - start };
    draw(picture, image);
    fill(picture);
    await answer(image, shown.decodeMs);
  });
}

function fill(element: HTMLElement): void {
  for (const each of [part("invitation", HTMLElement), picture, video]) each.hidden = each !== element;
  overlay.hidden = true; // until there is an answer
  drop.classList.add("filled");
}

async function startCamera(): Promise<void> {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    fail(new Error(`The camera cannot be used: ${error instanceof Error ? error.message : String(error)}.`));
    return;
  }
  camera.textContent = "Stop the camera";
  video.srcObject = stream;
  fill(video);
  await inTurn(() => video.play());
  while (stream !== undefined) {
    await inTurn(async () => {
      if (stream === undefined || video.videoWidth === 0) return;
      const start = performance.now();
      const image = pixelsFrom(video);
      await answer(image, performance.now() - start);
    });
    await new Promise(requestAnimationFrame);
  }
}

function stopCamera(): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = undefined;
  video.srcObject = null;
  camera.textContent = "Use the camera";
}

function listen(): void {
  choose.addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    void take(chooser.files?.[0]);
    chooser.value = "";
  });
  camera.addEventListener("click", () => {
    if (stream === undefined) void startCamera();
    else stopCamera();
  });
  choice.addEventListener("change", () => void inTurn(open));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", () => drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    void take(event.dataTransfer?.files[0]);
  });
  addEventListener("paste", (event) => void take(event.clipboardData?.files[0]));
}

const how = FACTS.preprocessing;
document.title = `${FACTS.model}, ${FACTS.precision}`;
write("model", FACTS.model);
write("precision", FACTS.precision);
write("runtime", RUNTIME);
write("verdict", `verdict: ${FACTS.verdict}`);
write("heading", heading);
write("how", `${how.width} × ${how.height}, ${how.resize}, ${how.filter}`);
listen();
void inTurn(open);
