// An image in, classes out: what an app calls.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "model.h"
#include "model_facts.h"
#include "preprocess.h"

namespace vision {

struct Class {
  int index;
  std::string label;  // empty where the model came without labels
  float score;        // as the model gives it: a probability, or a logit
};

class Classifier {
 public:
  // `folder`: the bundle's model/. Throws std::runtime_error.
  explicit Classifier(const std::string& folder) : model_(folder + "/" + kArtifact) {
    std::ifstream file(folder + "/labels.txt");
    for (std::string line; std::getline(file, line);) labels_.push_back(line);
  }

  // All outputs for an upright RGB image, by their names.
  std::map<std::string, std::vector<float>> run(const Image& image) {
    return model_.run(tensor(pixels(image, kPreprocessing), kPreprocessing));
  }

  // The `count` best classes, best first; `orientation` is EXIF's, 1 for an upright image.
  std::vector<Class> classify(const Image& image, int count = 5, int orientation = 1) {
    std::vector<Class> classes;
    for (const Score& best : top(run(upright(image, orientation)).at(kScores), count)) {
      const bool named = best.index < static_cast<int>(labels_.size());
      classes.push_back({best.index, named ? labels_[best.index] : "", best.score});
    }
    return classes;
  }

 private:
  Model model_;
  std::vector<std::string> labels_;
};

}  // namespace vision
