// A .tflite file through LiteRT's C interface (libLiteRt.so), on the CPU.
// Where LiteRT's own headers are on the include path they are used; else what is declared below, which is that of
// LiteRT 2.3 (before it, LiteRtCreateModelFromFile took no environment).
#include <cstring>
#include <stdexcept>

#include "model.h"

#if __has_include("litert/c/litert_compiled_model.h")
#include "litert/c/litert_compiled_model.h"
#include "litert/c/litert_environment.h"
#include "litert/c/litert_model.h"
#include "litert/c/litert_options.h"
#include "litert/c/litert_tensor_buffer.h"
#else
extern "C" {
typedef int LiteRtStatus;
typedef size_t LiteRtParamIndex;
typedef struct LiteRtEnvironmentT* LiteRtEnvironment;
typedef struct LiteRtModelT* LiteRtModel;
typedef struct LiteRtSignatureT* LiteRtSignature;
typedef struct LiteRtTensorT* LiteRtTensor;
typedef struct LiteRtOptionsT* LiteRtOptions;
typedef struct LiteRtCompiledModelT* LiteRtCompiledModel;
typedef struct LiteRtTensorBufferT* LiteRtTensorBuffer;
typedef struct LiteRtTensorBufferRequirementsT* LiteRtTensorBufferRequirements;
struct LiteRtRankedTensorType {
  int element_type;
  uint32_t layout[63];  // more than it takes; only passed on
};
enum { kLiteRtElementTypeFloat32 = 1, kLiteRtElementTypeInt32 = 2, kLiteRtHwAcceleratorCpu = 1 };
enum { kLiteRtTensorBufferLockModeRead = 0, kLiteRtTensorBufferLockModeWrite = 1 };
LiteRtStatus LiteRtCreateEnvironment(int, const void*, LiteRtEnvironment*);
LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment, const char*, LiteRtModel*);
LiteRtStatus LiteRtCreateOptions(LiteRtOptions*);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions, int);
LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment, LiteRtModel, LiteRtOptions, LiteRtCompiledModel*);
LiteRtStatus LiteRtGetModelSignature(LiteRtModel, LiteRtParamIndex, LiteRtSignature*);
LiteRtStatus LiteRtGetNumSignatureOutputs(LiteRtSignature, LiteRtParamIndex*);
LiteRtStatus LiteRtGetSignatureOutputName(LiteRtSignature, LiteRtParamIndex, const char**);
LiteRtStatus LiteRtGetSignatureInputTensorByIndex(LiteRtSignature, LiteRtParamIndex, LiteRtTensor*);
LiteRtStatus LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature, LiteRtParamIndex, LiteRtTensor*);
LiteRtStatus LiteRtGetRankedTensorType(LiteRtTensor, LiteRtRankedTensorType*);
LiteRtStatus LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModel, LiteRtParamIndex, LiteRtParamIndex,
                                                           LiteRtTensorBufferRequirements*);
LiteRtStatus LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModel, LiteRtParamIndex, LiteRtParamIndex,
                                                            LiteRtTensorBufferRequirements*);
LiteRtStatus LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironment, const LiteRtRankedTensorType*,
                                                             LiteRtTensorBufferRequirements, LiteRtTensorBuffer*);
LiteRtStatus LiteRtGetTensorBufferPackedSize(LiteRtTensorBuffer, size_t*);
LiteRtStatus LiteRtLockTensorBuffer(LiteRtTensorBuffer, void**, int);
LiteRtStatus LiteRtUnlockTensorBuffer(LiteRtTensorBuffer);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel, LiteRtParamIndex, size_t, LiteRtTensorBuffer*, size_t,
                                    LiteRtTensorBuffer*);
void LiteRtDestroyTensorBuffer(LiteRtTensorBuffer);
void LiteRtDestroyCompiledModel(LiteRtCompiledModel);
void LiteRtDestroyOptions(LiteRtOptions);
void LiteRtDestroyModel(LiteRtModel);
void LiteRtDestroyEnvironment(LiteRtEnvironment);
}
#endif

namespace vision {
namespace {

void check(LiteRtStatus status, const std::string& what) {
  if (status != 0) throw std::runtime_error("LiteRT: " + what + " failed with status " + std::to_string(status));
}

}  // namespace

struct Model::State {
  LiteRtEnvironment environment = nullptr;
  LiteRtModel model = nullptr;
  LiteRtOptions options = nullptr;
  LiteRtCompiledModel compiled = nullptr;
  LiteRtTensorBuffer input = nullptr;
  struct Output {
    std::string name;
    LiteRtTensorBuffer buffer;
    bool whole;  // int32, else float32
  };
  std::vector<Output> outputs;

  LiteRtTensorBuffer buffer(LiteRtTensor tensor, LiteRtTensorBufferRequirements requirements, int& type) {
    LiteRtRankedTensorType ranked{};
    check(LiteRtGetRankedTensorType(tensor, &ranked), "reading a tensor's type");
    type = static_cast<int>(ranked.element_type);
    LiteRtTensorBuffer made = nullptr;
    check(LiteRtCreateManagedTensorBufferFromRequirements(environment, &ranked, requirements, &made), "a buffer");
    return made;
  }

  void open(const std::string& path) {
    check(LiteRtCreateEnvironment(0, nullptr, &environment), "its environment");
    check(LiteRtCreateModelFromFile(environment, path.c_str(), &model), "opening " + path);
    check(LiteRtCreateOptions(&options), "its options");
    check(LiteRtSetOptionsHardwareAccelerators(options, kLiteRtHwAcceleratorCpu), "its options");
    check(LiteRtCreateCompiledModel(environment, model, options, &compiled), "preparing " + path);
    LiteRtSignature signature;
    LiteRtTensor tensor;
    LiteRtTensorBufferRequirements requirements;
    LiteRtParamIndex count;
    int type;
    check(LiteRtGetModelSignature(model, 0, &signature), "the signature of " + path);
    check(LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor), "the input of " + path);
    check(LiteRtGetCompiledModelInputBufferRequirements(compiled, 0, 0, &requirements), "the input of " + path);
    input = buffer(tensor, requirements, type);
    check(LiteRtGetNumSignatureOutputs(signature, &count), "the outputs of " + path);
    for (LiteRtParamIndex i = 0; i < count; ++i) {
      const char* name;
      check(LiteRtGetSignatureOutputName(signature, i, &name), "an output of " + path);
      check(LiteRtGetSignatureOutputTensorByIndex(signature, i, &tensor), "an output of " + path);
      check(LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, i, &requirements), "an output of " + path);
      const LiteRtTensorBuffer made = buffer(tensor, requirements, type);
      outputs.push_back({name, made, type == kLiteRtElementTypeInt32});
      if (type != kLiteRtElementTypeFloat32 && type != kLiteRtElementTypeInt32)
        throw std::runtime_error(path + ": output " + name + " is neither float32 nor int32");
    }
  }

  ~State() {
    for (const Output& output : outputs) LiteRtDestroyTensorBuffer(output.buffer);
    if (input) LiteRtDestroyTensorBuffer(input);
    if (compiled) LiteRtDestroyCompiledModel(compiled);
    if (options) LiteRtDestroyOptions(options);
    if (model) LiteRtDestroyModel(model);
    if (environment) LiteRtDestroyEnvironment(environment);
  }
};

Model::Model(const std::string& path) : state_(std::make_unique<State>()) { state_->open(path); }

Model::~Model() = default;

std::map<std::string, std::vector<float>> Model::run(const std::vector<uint8_t>& input) {
  size_t size;
  void* memory;
  check(LiteRtGetTensorBufferPackedSize(state_->input, &size), "the size of the input");
  if (size != input.size())
    throw std::runtime_error("the input takes " + std::to_string(size) + " bytes, not " + std::to_string(input.size()));
  check(LiteRtLockTensorBuffer(state_->input, &memory, kLiteRtTensorBufferLockModeWrite), "writing the input");
  std::memcpy(memory, input.data(), size);
  check(LiteRtUnlockTensorBuffer(state_->input), "writing the input");
  std::vector<LiteRtTensorBuffer> buffers;
  for (const State::Output& output : state_->outputs) buffers.push_back(output.buffer);
  check(LiteRtRunCompiledModel(state_->compiled, 0, 1, &state_->input, buffers.size(), buffers.data()), "running");
  std::map<std::string, std::vector<float>> results;
  for (const State::Output& output : state_->outputs) {
    check(LiteRtGetTensorBufferPackedSize(output.buffer, &size), "the size of " + output.name);
    check(LiteRtLockTensorBuffer(output.buffer, &memory, kLiteRtTensorBufferLockModeRead), "reading " + output.name);
    std::vector<float>& numbers = results[output.name];
    numbers.resize(size / 4);
    for (size_t i = 0; i < numbers.size(); ++i)
      numbers[i] = output.whole ? static_cast<float>(static_cast<int32_t*>(memory)[i]) : static_cast<float*>(memory)[i];
    check(LiteRtUnlockTensorBuffer(output.buffer), "reading " + output.name);
  }
  return results;
}

}  // namespace vision
