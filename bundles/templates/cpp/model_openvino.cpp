// An OpenVINO IR through OpenVINO's C++ interface, on the CPU, in float32 where it is not int8.
#include <cstring>
#include <openvino/openvino.hpp>
#include <stdexcept>

#include "model.h"

namespace vision {

struct Model::State {
  ov::CompiledModel compiled;
  ov::InferRequest request;
};

Model::Model(const std::string& path) : state_(std::make_unique<State>()) {
  ov::Core core;
  state_->compiled = core.compile_model(path, "CPU", ov::hint::inference_precision(ov::element::f32));
  state_->request = state_->compiled.create_infer_request();
}

Model::~Model() = default;

std::map<std::string, std::vector<float>> Model::run(const std::vector<uint8_t>& input) {
  ov::Tensor tensor = state_->request.get_input_tensor();
  if (tensor.get_byte_size() != input.size())
    throw std::runtime_error("the input takes " + std::to_string(tensor.get_byte_size()) + " bytes, not " +
                             std::to_string(input.size()));
  std::memcpy(tensor.data(), input.data(), input.size());
  state_->request.infer();
  std::map<std::string, std::vector<float>> results;
  for (size_t i = 0; i < state_->compiled.outputs().size(); ++i) {
    const ov::Tensor output = state_->request.get_output_tensor(i);
    std::vector<float>& numbers = results[state_->compiled.output(i).get_any_name()];
    numbers.resize(output.get_size());
    for (size_t j = 0; j < numbers.size(); ++j) {
      if (output.get_element_type() == ov::element::f32)
        numbers[j] = output.data<float>()[j];
      else if (output.get_element_type() == ov::element::i64)
        numbers[j] = static_cast<float>(output.data<int64_t>()[j]);
      else
        numbers[j] = static_cast<float>(output.data<int32_t>()[j]);
    }
  }
  return results;
}

}  // namespace vision
