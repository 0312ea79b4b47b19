// An image in, the class of each of its pixels out: what an app calls.
#pragma once

#include "segmentation.h"
#include "vision_model.h"

namespace vision {

class Segmenter : public VisionModel {
 public:
  using VisionModel::VisionModel;

  // The class of each pixel of the upright image, kUnseen where the model does not look; `orientation` is EXIF's, 1 for
  // an upright image.
  ClassMap segment(const Image& image, int orientation = 1) {
    const Image turned = upright(image, orientation);
    return to_image(decode(outputs(turned), kDecoding), place(turned.width, turned.height, kPreprocessing),
                    kPreprocessing);
  }
};

}  // namespace vision
