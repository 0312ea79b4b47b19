// An image of a line of text in, the string out: what an app calls.
#pragma once

#include <string>

#include "ctc.h"
#include "vision_model.h"

namespace vision {

class TextRecognizer : public VisionModel {
 public:
  using VisionModel::VisionModel;

  // What is written, in UTF-8; `orientation` is EXIF's, 1 for an upright image.
  std::string read(const Image& image, int orientation = 1) {
    std::string text;
    for (int each : decode(outputs(upright(image, orientation)).at("scores"), kDecoding)) text += label(each);
    return text;
  }
};

}  // namespace vision
