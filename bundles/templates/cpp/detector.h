// An image in, boxes out: what an app calls.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "detection.h"
#include "model.h"
#include "model_facts.h"
#include "preprocess.h"

namespace vision {

struct Detection {
  int index;
  std::string label;  // empty where the model came without labels
  float score;
  float left, top, right, bottom;  // in pixels of the upright image
};

class Detector {
 public:
  // `folder`: the bundle's model/. Throws std::runtime_error.
  explicit Detector(const std::string& folder) : model_(folder + "/" + kArtifact) {
    std::ifstream file(folder + "/labels.txt");
    for (std::string line; std::getline(file, line);) labels_.push_back(line);
  }

  // All outputs for an upright RGB image, by their names.
  Outputs run(const Image& image) { return model_.run(tensor(pixels(image, kPreprocessing), kPreprocessing)); }

  // The objects, the highest score first, of scores from `least` on; `orientation` is EXIF's, 1 for an upright image.
  std::vector<Detection> detect(const Image& image, double least = kDecoding.score_threshold, int orientation = 1) {
    const Image turned = upright(image, orientation);
    std::vector<Detection> found;
    for (const Object& each : decode(run(turned), kDecoding, kPreprocessing)) {
      if (each.score < least) continue;
      const Object at = to_image(each, turned.width, turned.height, kPreprocessing);
      if (!at.has_area()) continue;
      const bool named = at.index >= 0 && at.index < static_cast<int>(labels_.size());
      found.push_back({at.index, named ? labels_[at.index] : "", static_cast<float>(at.score),
                       static_cast<float>(at.left), static_cast<float>(at.top), static_cast<float>(at.right),
                       static_cast<float>(at.bottom)});
    }
    return found;
  }

 private:
  Model model_;
  std::vector<std::string> labels_;
};

}  // namespace vision
