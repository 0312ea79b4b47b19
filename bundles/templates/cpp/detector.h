// An image in, boxes out: what an app calls.
#pragma once

#include <string>
#include <vector>

#include "detection.h"
#include "vision_model.h"

namespace vision {

struct Detection {
  int index;
  std::string label;  // empty where the model came without labels
  float score;
  float left, top, right, bottom;  // in pixels of the upright image
};

class Detector : public VisionModel {
 public:
  using VisionModel::VisionModel;

  // The objects, the highest score first, of scores from `least` on; `orientation` is EXIF's, 1 for an upright image.
  std::vector<Detection> detect(const Image& image, double least = kDecoding.score_threshold, int orientation = 1) {
    const Image turned = upright(image, orientation);
    const Placement at = place(turned.width, turned.height, kPreprocessing);
    std::vector<Detection> found;
    for (const Object& each : decode(outputs(turned), kDecoding, kPreprocessing, at, least)) {
      const auto side = [](double value) { return static_cast<float>(value); };
      found.push_back({each.index, label(each.index), static_cast<float>(each.score), side(each.left), side(each.top),
                       side(each.right), side(each.bottom)});
    }
    return found;
  }
};

}  // namespace vision
