"""The table of TFLite lowerings; the files of op families fill it."""

from ..lowering import LoweringTable

table = LoweringTable("tflite")
lower = table.lower
