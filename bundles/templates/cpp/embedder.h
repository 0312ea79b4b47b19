// An image in, a vector out, which cosine() compares with those of other images: what an app calls.
#pragma once

#include <vector>

#include "embedding.h"
#include "vision_model.h"

namespace vision {

class Embedder : public VisionModel {
 public:
  using VisionModel::VisionModel;

  // Of length 1; `orientation` is EXIF's, 1 for an upright image.
  std::vector<float> embed(const Image& image, int orientation = 1) {
    return normalised(outputs(upright(image, orientation)).at("vector"));
  }
};

}  // namespace vision
