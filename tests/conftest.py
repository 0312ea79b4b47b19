"""For all tests: nothing is sent anywhere."""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # imported, it would write to the home folder and report
