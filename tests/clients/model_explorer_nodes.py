"""What Model Explorer shows of a .tflite: python model_explorer_nodes.py FILE -> JSON, [{label, namespace}]."""

import json
import sys

import ai_edge_model_explorer_adapter as adapter

(collection,) = json.loads(adapter.ConvertFlatbufferDirectlyToJson(adapter.VisualizeConfig(), sys.argv[1]))
nodes = [node for graph in collection["subgraphs"] for node in graph["nodes"]]
print(json.dumps([{key: node[key] for key in ("label", "namespace")} for node in nodes]))
