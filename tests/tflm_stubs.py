"""Declarations of TensorFlow Lite Micro's interface, as far as a bundle's C++ uses it: enough to compile it.

Since 2026 all of it is in the namespace tflite::micro; before, classes were in tflite, and C's types in none. What the
newer one declares has the names and layouts of the Python package's library, so that the compiled code runs with its
kernels, in a process that has loaded the package: `RUN` is the program that does so.
"""

from edgeport.targets.kernel_sets.tflite import MICRO_OPERATORS

PARSERS = {
    "AddAveragePool2D": "Pool",
    "AddMaxPool2D": "Pool",
    **dict.fromkeys(("AddMean", "AddReduceMax", "AddReduceMin"), "Reducer"),
}

_SCHEMA = """#pragma once
#include <cstdint>
namespace tflite {
enum BuiltinOperator : int32_t { CODES };
struct Model;
struct Operator;
inline const Model* GetModel(const void* bytes) {  // a flatbuffer's root
  return reinterpret_cast<const Model*>(static_cast<const char*>(bytes) + *static_cast<const uint32_t*>(bytes));
}
}  // namespace tflite
"""

_TYPES = """
enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
enum TfLiteType { kTfLiteNoType = 0, kTfLiteUInt8 = 3, kTfLiteInt8 = 9 };
struct TfLiteContext;
struct TfLiteNode;
struct TfLiteTensor {
  struct { int type; void* params; } quantization;
  struct { float scale; int32_t zero_point; } params;
  void* data;
  void* dims;
  size_t bytes;
  TfLiteType type;
};
struct TFLMRegistration {
  void* (*init)(TfLiteContext*, const char*, size_t);
  void (*free)(TfLiteContext*, void*);
  TfLiteStatus (*prepare)(TfLiteContext*, TfLiteNode*);
  TfLiteStatus (*invoke)(TfLiteContext*, TfLiteNode*);
  void (*reset)(TfLiteContext*, void*);
  int32_t builtin_code;
  const char* custom_name;
};
"""

_COMMON = """#pragma once
#include <cstddef>
#include <cstdint>
#include "tensorflow/lite/schema/schema_generated.h"
TYPES_OUTSIDE
namespace NAMESPACE {
TYPES_INSIDE
class BuiltinDataAllocator;
using Parser = TfLiteStatus (*)(const tflite::Operator*, BuiltinDataAllocator*, void**);
class MicroOpResolver {
 public:
  virtual const TFLMRegistration* FindOp(tflite::BuiltinOperator) const = 0;
  virtual const TFLMRegistration* FindOp(const char*) const = 0;
  virtual Parser GetOpDataParser(tflite::BuiltinOperator) const = 0;
  virtual ~MicroOpResolver() {}
};
}  // namespace NAMESPACE
"""

_INTERPRETER = """#pragma once
#include "tensorflow/lite/micro/common.h"
namespace NAMESPACE {
class MicroResourceVariables;
class MicroProfilerInterface;
class MicroInterpreter {
 public:
  MicroInterpreter(const tflite::Model*, const MicroOpResolver&, uint8_t* arena, size_t bytes,
                   MicroResourceVariables* = nullptr, MicroProfilerInterface* = nullptr, bool preserve = false);
  ~MicroInterpreter();
  TfLiteStatus AllocateTensors();
  TfLiteStatus Invoke();
  TfLiteTensor* input(size_t);
  TfLiteTensor* output(size_t);
  template <class T> T* typed_input_tensor(int index) { return typed<T>(input(index)); }
  template <class T> T* typed_output_tensor(int index) { return typed<T>(output(index)); }
  size_t arena_used_bytes() const { return 0; }
 private:
  template <class T> T* typed(TfLiteTensor* tensor) {
    const TfLiteType wanted = static_cast<T>(-1) < 0 ? kTfLiteInt8 : kTfLiteUInt8;
    return tensor != nullptr && tensor->type == wanted ? static_cast<T*>(tensor->data) : nullptr;
  }
  alignas(16) unsigned char state_[4096];  // more than it has
};
}  // namespace NAMESPACE
"""

_RESOLVER = """#pragma once
#include "tensorflow/lite/micro/common.h"
namespace NAMESPACE {
REGISTRATIONS
template <unsigned count>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  const TFLMRegistration* FindOp(tflite::BuiltinOperator code) const override {
    for (unsigned i = 0; i < used_; ++i) if (kernels_[i].builtin_code == code) return &kernels_[i];
    return nullptr;
  }
  const TFLMRegistration* FindOp(const char*) const override { return nullptr; }
  Parser GetOpDataParser(tflite::BuiltinOperator code) const override {
    for (unsigned i = 0; i < used_; ++i) if (kernels_[i].builtin_code == code) return parsers_[i];
    return nullptr;
  }
METHODS
 private:
  TfLiteStatus add(tflite::BuiltinOperator code, const TFLMRegistration& kernel, Parser parser) {
    if (used_ == count) return kTfLiteError;
    kernels_[used_] = kernel;
    kernels_[used_].builtin_code = code;
    parsers_[used_++] = parser;
    return kTfLiteOk;
  }
  TFLMRegistration kernels_[count];
  Parser parsers_[count];
  unsigned used_ = 0;
};
}  // namespace NAMESPACE
"""

# RUN: loads the library of the package for all, then the compiled code, and calls its main
RUN = """
import ctypes, os, sys
sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
from tflite_micro import runtime
sys.exit(ctypes.CDLL(sys.argv[1], os.RTLD_NOW).main())
"""


def headers(*, since_2026: bool) -> dict[str, str]:
    """{path: text} of the interface."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    codes = ", ".join(f"BuiltinOperator_{name} = {getattr(BuiltinOperator, name)}" for name in MICRO_OPERATORS)
    parsers = {method: f"Parse{PARSERS.get(method, method.removeprefix('Add'))}" for method in MICRO_OPERATORS.values()}
    registrations = [f"TFLMRegistration Register_{name}();" for name in MICRO_OPERATORS]
    registrations += [
        f"TfLiteStatus {parser}(const tflite::Operator*, BuiltinDataAllocator*, void**);"
        for parser in dict.fromkeys(parsers.values())
    ]
    methods = [
        f"  TfLiteStatus {method}() {{\n    "
        f"return add(tflite::BuiltinOperator_{name}, Register_{name}(), {parsers[method]});\n  }}"
        for name, method in MICRO_OPERATORS.items()
    ]
    words = {
        "NAMESPACE": "tflite::micro" if since_2026 else "tflite",
        "TYPES_OUTSIDE": "" if since_2026 else _TYPES,
        "TYPES_INSIDE": _TYPES if since_2026 else "",
        "CODES": codes,
        "REGISTRATIONS": "\n".join(registrations),
        "METHODS": "\n".join(methods),
    }
    texts = {
        "schema/schema_generated.h": _SCHEMA,
        "micro/common.h": _COMMON,
        "micro/micro_interpreter.h": _INTERPRETER,
        "micro/micro_mutable_op_resolver.h": _RESOLVER,
    }
    for word, text in words.items():
        texts = {place: each.replace(word, text) for place, each in texts.items()}
    return {f"tensorflow/lite/{place}": text for place, text in texts.items()}
