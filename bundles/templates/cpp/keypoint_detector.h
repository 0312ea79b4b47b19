// An image in, keypoints out: what an app calls.
#pragma once

#include <string>
#include <vector>

#include "keypoints.h"
#include "vision_model.h"

namespace vision {

struct Keypoint {
  int index;
  std::string label;  // empty where the model came without labels
  float score;
  float x, y;  // in pixels of the upright image
};

class KeypointDetector : public VisionModel {
 public:
  using VisionModel::VisionModel;

  // The keypoints of scores from `least` on; `orientation` is EXIF's, 1 for an upright image.
  std::vector<Keypoint> detect(const Image& image, double least = kDecoding.score_threshold, int orientation = 1) {
    const Image turned = upright(image, orientation);
    const Placement at = place(turned.width, turned.height, kPreprocessing);
    std::vector<Keypoint> found;
    int index = 0;
    for (const Point& each : decode(outputs(turned), kDecoding, kPreprocessing, at)) {
      if (each.score >= least)
        found.push_back({index, label(index), static_cast<float>(each.score), static_cast<float>(each.x),
                         static_cast<float>(each.y)});
      ++index;
    }
    return found;
  }
};

}  // namespace vision
