"""The messages of Core ML's model format that an ML program uses: names and field numbers.

Source: Model.proto, FeatureTypes.proto and MIL.proto of https://apple.github.io/coremltools/mlmodel/
Fields that the runner does not look at are left out, or kept as bytes where only their presence counts.
"""

from .wire import Schema

# the other kinds of model, to say what a file is when it is not an ML program
OTHER_MODELS = {
    202: "pipeline",
    200: "pipelineClassifier",
    201: "pipelineRegressor",
    303: "neuralNetworkRegressor",
    403: "neuralNetworkClassifier",
    500: "neuralNetwork",
    300: "glmRegressor",
    301: "supportVectorRegressor",
    302: "treeEnsembleRegressor",
    400: "glmClassifier",
    401: "supportVectorClassifier",
    402: "treeEnsembleClassifier",
    404: "kNearestNeighborsClassifier",
    2002: "visionFeaturePrint",
}

MODEL: Schema = {
    "Model": {
        1: ("specificationVersion", "int"),
        2: ("description", "ModelDescription"),
        502: ("mlProgram", "Program"),
        **{number: (name, "bytes") for number, name in OTHER_MODELS.items()},
    },
    "ModelDescription": {
        1: ("input", "FeatureDescription[]"),
        10: ("output", "FeatureDescription[]"),
        11: ("predictedFeatureName", "string"),
        12: ("predictedProbabilitiesName", "string"),
        20: ("functions", "FunctionDescription[]"),
        21: ("defaultFunctionName", "string"),
        100: ("metadata", "Metadata"),
    },
    "FunctionDescription": {
        1: ("name", "string"),
        2: ("input", "FeatureDescription[]"),
        3: ("output", "FeatureDescription[]"),
        4: ("predictedFeatureName", "string"),
        5: ("predictedProbabilitiesName", "string"),
    },
    "Metadata": {
        1: ("shortDescription", "string"),
        2: ("versionString", "string"),
        3: ("author", "string"),
        4: ("license", "string"),
        100: ("userDefined", "string{}"),
    },
    "FeatureDescription": {1: ("name", "string"), 2: ("shortDescription", "string"), 3: ("type", "FeatureType")},
    "FeatureType": {
        1: ("int64Type", "bytes"),
        2: ("doubleType", "bytes"),
        3: ("stringType", "bytes"),
        4: ("imageType", "ImageFeatureType"),
        5: ("multiArrayType", "ArrayFeatureType"),
        6: ("dictionaryType", "bytes"),
        7: ("sequenceType", "bytes"),
    },
    "ImageFeatureType": {1: ("width", "int"), 2: ("height", "int"), 3: ("colorSpace", "int")},
    "ArrayFeatureType": {1: ("shape", "int[]"), 2: ("dataType", "int")},
    "Program": {1: ("version", "int"), 2: ("functions", "Function{}")},
    "Function": {1: ("inputs", "NamedValueType[]"), 2: ("opset", "string"), 3: ("block_specializations", "Block{}")},
    "Block": {
        1: ("inputs", "NamedValueType[]"),
        2: ("outputs", "string[]"),
        3: ("operations", "Operation[]"),
    },
    "Operation": {
        1: ("type", "string"),
        2: ("inputs", "Argument{}"),
        3: ("outputs", "NamedValueType[]"),
        4: ("blocks", "bytes[]"),
        5: ("attributes", "Value{}"),
    },
    "Argument": {1: ("arguments", "Binding[]")},
    "Binding": {1: ("name", "string"), 2: ("value", "Value")},
    "NamedValueType": {1: ("name", "string"), 2: ("type", "ValueType")},
    "ValueType": {
        1: ("tensorType", "TensorType"),
        2: ("listType", "bytes"),
        3: ("tupleType", "bytes"),
        4: ("dictionaryType", "bytes"),
        5: ("stateType", "bytes"),
    },
    "TensorType": {1: ("dataType", "int"), 2: ("rank", "int"), 3: ("dimensions", "Dimension[]")},
    "Dimension": {1: ("constant", "ConstantDimension"), 2: ("unknown", "UnknownDimension")},
    "ConstantDimension": {1: ("size", "uint")},
    "UnknownDimension": {1: ("variadic", "bool")},
    "Value": {
        2: ("type", "ValueType"),
        3: ("immediateValue", "ImmediateValue"),
        5: ("blobFileValue", "BlobFileValue"),
    },
    "BlobFileValue": {1: ("fileName", "string"), 2: ("offset", "uint")},
    "ImmediateValue": {1: ("tensor", "TensorValue"), 2: ("tuple", "ListValue"), 3: ("list", "ListValue")},
    "ListValue": {1: ("values", "Value[]")},
    "TensorValue": {
        1: ("floats", "RepeatedFloats"),
        2: ("ints", "RepeatedInts"),
        3: ("bools", "RepeatedBools"),
        4: ("strings", "RepeatedStrings"),
        5: ("longInts", "RepeatedLongInts"),
        6: ("doubles", "RepeatedDoubles"),
        7: ("bytes", "RepeatedBytes"),
    },
    "RepeatedFloats": {1: ("values", "float[]")},
    "RepeatedInts": {1: ("values", "int[]")},
    "RepeatedBools": {1: ("values", "bool[]")},
    "RepeatedStrings": {1: ("values", "string[]")},
    "RepeatedLongInts": {1: ("values", "int[]")},
    "RepeatedDoubles": {1: ("values", "double[]")},
    "RepeatedBytes": {1: ("values", "bytes")},
}

# MIL.proto DataType -> (name, bits)
DTYPES: dict[int, tuple[str, int]] = {
    1: ("bool", 8),
    2: ("string", 0),
    10: ("float16", 16),
    11: ("float32", 32),
    12: ("float64", 64),
    21: ("int8", 8),
    22: ("int16", 16),
    23: ("int32", 32),
    24: ("int64", 64),
    25: ("int4", 4),
    31: ("uint8", 8),
    32: ("uint16", 16),
    33: ("uint32", 32),
    34: ("uint64", 64),
    35: ("uint4", 4),
    36: ("uint2", 2),
    37: ("uint1", 1),
    38: ("uint6", 6),
    39: ("uint3", 3),
}

BITS = dict(DTYPES.values())

# FeatureTypes.proto ArrayDataType -> name
ARRAY_DTYPES = {65568: "float32", 65600: "float64", 131104: "int32", 131080: "int8", 65552: "float16"}

# FeatureTypes.proto ColorSpace -> name
COLOURS = {10: "grayscale", 20: "rgb", 30: "bgr", 40: "grayscale_float16"}
