"""Runs .onnx files in ONNX Runtime."""

import os


def prepare():
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else it sends the names of models to its makers
    import onnxruntime

    def load(path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_inputs()]
        outputs = [each.name for each in session.get_outputs()]
        held = {}

        def feed(sample):
            held["feeds"] = dict(zip(names, sample, strict=True))

        def invoke():
            held["results"] = session.run(outputs, held["feeds"])

        return feed, invoke, lambda: held["results"]

    return load, f"onnxruntime {onnxruntime.__version__}"
