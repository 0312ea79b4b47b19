"""Runs .tflite files in LiteRT."""


def prepare():
    from ai_edge_litert.interpreter import Interpreter

    def load(path, threads):
        interpreter = Interpreter(model_path=path, num_threads=threads)
        interpreter.allocate_tensors()
        inputs = [details["index"] for details in interpreter.get_input_details()]
        outputs = [details["index"] for details in interpreter.get_output_details()]

        def feed(sample):
            for index, array in zip(inputs, sample, strict=True):
                interpreter.set_tensor(index, array)

        return feed, interpreter.invoke, lambda: [interpreter.get_tensor(index) for index in outputs]

    return load, named("ai-edge-litert")


def open_events(module, path, threads, inputs):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    operators = getattr(interpreter, "_get_ops_details", None)  # there is no public way to see what was delegated
    if operators is None:
        raise module.Unsuitable("this LiteRT does not tell its operators: pip install --upgrade ai-edge-litert")
    return module.Events(path, threads, inputs, operators())


def named(distribution):
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:  # unpacked without its metadata
        return distribution
