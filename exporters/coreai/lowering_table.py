"""The table of Core AI lowerings; the files of op families fill it."""

from ..lowering import LoweringTable

table = LoweringTable("coreai")
lower = table.lower
