// An image in, classes out: what an app calls.
#pragma once

#include <string>
#include <vector>

#include "classification.h"
#include "vision_model.h"

namespace vision {

struct Class {
  int index;
  std::string label;  // empty where the model came without labels
  float score;        // as the model gives it: a probability, or a logit
};

class Classifier : public VisionModel {
 public:
  using VisionModel::VisionModel;

  // The `count` best classes, best first; `orientation` is EXIF's, 1 for an upright image.
  std::vector<Class> classify(const Image& image, int count = 5, int orientation = 1) {
    std::vector<Class> classes;
    for (const Score& best : top(outputs(upright(image, orientation)).at("scores"), count))
      classes.push_back({best.index, label(best.index), best.score});
    return classes;
  }
};

}  // namespace vision
