"""Convert to .tflite by the kernels of LiteRT's CPU delegate, unless others are given."""

from functools import partial

from edgeport.exporters.tflite.convert import convert as convert_by
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK

convert = partial(convert_by, kernels=TFLITE_XNNPACK)
