"""The table of Core ML lowerings; the files of op families fill it."""

from ..lowering import LoweringTable

table = LoweringTable("coreml")
lower = table.lower
