// The model of this bundle, with what is known of it: what the wrapper of every task begins with.
#pragma once

#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "model.h"
#include "model_facts.h"
#include "outputs.h"
#include "preprocess.h"

namespace vision {

class VisionModel {
 public:
  // `folder`: the bundle's model/. Throws std::runtime_error.
  explicit VisionModel(const std::string& folder) : model_(folder + "/" + kArtifact) {
    std::ifstream file(folder + "/labels.txt");
    for (std::string line; std::getline(file, line);) labels_.push_back(line);
  }

  // All outputs for an upright RGB image, by their names.
  std::map<std::string, std::vector<float>> run(const Image& image) {
    return model_.run(tensor(pixels(image, kPreprocessing), kPreprocessing));
  }

  // The same of those that the answer comes from, by their roles.
  Outputs outputs(const Image& image) {
    std::map<std::string, std::vector<float>> given = run(image);
    Outputs found;
    for (const Output& each : kOutputs) {
      found[each.role] = std::move(given.at(each.name));
      if (found[each.role].size() != each.size)
        throw std::runtime_error(std::string("the model gives another size of ") + each.name);
    }
    return found;
  }

  // The name of a class, empty where it has none.
  std::string label(int index) const {
    return index >= 0 && index < static_cast<int>(labels_.size()) ? labels_[index] : "";
  }

 private:
  Model model_;
  std::vector<std::string> labels_;
};

}  // namespace vision
