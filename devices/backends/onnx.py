"""Runs .onnx files in ONNX Runtime."""

import os

OWN = "own.onnx"  # what the profiler is measured with


def prepare():
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else it sends the names of models to its makers
    import onnxruntime

    def load(path, threads):
        session = open_session(path, threads)
        names = [each.name for each in session.get_inputs()]
        outputs = [each.name for each in session.get_outputs()]
        held = {}

        def feed(sample):
            held["feeds"] = dict(zip(names, sample, strict=True))

        def invoke():
            held["results"] = session.run(outputs, held["feeds"])

        return feed, invoke, lambda: held["results"]

    return load, f"onnxruntime {onnxruntime.__version__}"


def open_session(path, threads, prefix=None):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if prefix is not None:
        options.enable_profiling, options.profile_file_prefix = True, prefix
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class ProfiledSession:
    """As Events of onnx_events.py wants it."""

    def __init__(self, path, threads, prefix):
        self._session = open_session(path, threads, prefix)
        self._inputs = [each.name for each in self._session.get_inputs()]
        self._outputs = [each.name for each in self._session.get_outputs()]

    def raw(self, arrays):
        return self._session.run(self._outputs, dict(zip(self._inputs, arrays, strict=True)))

    def end_profiling(self):
        return self._session.end_profiling()

    def close(self):
        del self._session


def open_events(module, path, threads, inputs):
    return module.Events(path, OWN, threads, ProfiledSession, folder=".")
