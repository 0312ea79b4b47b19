// A segmenter's outputs -> the class of each pixel of the image, exactly as the model was checked. Standard C++17, no
// libraries.
#pragma once

#include <vector>

#include "outputs.h"
#include "preprocess.h"

namespace vision {

enum class Form { scores, threshold, ids };  // a score for each class, the score of one class, or classes

// What decoding depends on; bundle.json says the same.
struct Decoding {
  Form form;
  int classes;        // scores of a cell
  int height, width;  // of the map that the model gives
  double threshold;
};

constexpr int kUnseen = -1;  // the class of a pixel that the model did not see: the crop left it out

struct ClassMap {
  int width = 0, height = 0;
  std::vector<int> classes;  // [y * width + x]
};

// Of the map that the model gives.
ClassMap decode(const Outputs& outputs, const Decoding& how);

// Of the image: for each pixel the class of the cell that its middle lies in.
ClassMap to_image(const ClassMap& map, const Placement& at, const Preprocessing& input);

}  // namespace vision
