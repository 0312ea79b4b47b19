"""Rewrites of an onnx_ir graph, one a file; each file's `rewrite(graph) -> int` says how many places it changed."""
