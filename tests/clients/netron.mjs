// Reads model files with Netron's own reader: node netron.mjs FOLDER_OF_NETRON FILE... -> a line of JSON for each.
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(folder, name)));
const [{ ModelFactoryService }, base] = [await load("view.js"), await load("base.js")];

const host = {
  environment: () => null,
  event: () => undefined,
  exception: (error) => { throw error; },
  require: (name) => load(`${name.replace(/^\.\//, "")}.js`),
  asset: (name) => readFile(join(folder, name), "utf8"),
};

for (const file of files) {
  const context = {
    identifier: basename(file),
    stream: new base.BinaryStream(new Uint8Array(readFileSync(file))),
    entries: new Map(),
    host,
    require: host.require,
    asset: host.asset,
    error: host.exception,
  };
  const model = await new ModelFactoryService(host).open(context);
  const [graph] = model.modules;
  const ends = (list) => list.map((each) => `${each.name}: ${each.value[0].type}`);
  const nodes = graph.nodes.map((node) => ({ type: node.type.name, name: node.name, known: Boolean(node.type.category || node.inputs.length) }));
  console.log(JSON.stringify({ format: model.format, inputs: ends(graph.inputs), outputs: ends(graph.outputs), nodes }));
}
