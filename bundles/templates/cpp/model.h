// The model itself: bytes of the input in, every output by its name. One of model_*.cpp implements it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vision {

class Model {
 public:
  // Throws std::runtime_error where the file cannot be opened or run here.
  explicit Model(const std::string& path);
  ~Model();

  // `input`: what tensor() of preprocess.h gives. Whole numbers come as floats. Throws std::runtime_error.
  std::map<std::string, std::vector<float>> run(const std::vector<uint8_t>& input);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vision
