"""Run the program inside a Core ML .mlpackage with PyTorch, so that the file that ships is validated without a Mac.

    program = read_package(path)          package.py, wire.py, schema.py, program.py, blob.py: the file as plain data
    interpreter = Interpreter(program)    interpreter.py, table.py, ops/: the data run with torch functions

It knows nothing of coremltools: it reads the bytes by Apple's published formats, so an error in a converter or in the
library that wrote the file shows up here instead of cancelling out. To add an operator, add one function (or one row of
a dict) in the file of its family in ops/, and a line to the cases of its test.
"""
