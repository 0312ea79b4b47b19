// A model's outputs -> keypoints in the image's pixels, exactly as the model was checked. Standard C++17, no libraries.
#pragma once

#include <vector>

#include "outputs.h"
#include "preprocess.h"

namespace vision {

enum class Form { heatmaps, bins, boxes, points };

// What decoding depends on; bundle.json says the same.
struct Decoding {
  Form form;
  int count;          // of keypoints
  int rows, columns;  // of a heatmap, bins of y and of x, values and boxes, or the list of points
  bool share;         // coordinates are shares of the input's size, not its pixels
  double score_threshold;
};

struct Point {
  double x, y, score;
};

// All keypoints, in pixels of the upright image.
std::vector<Point> decode(const Outputs& outputs, const Decoding& how, const Preprocessing& input, const Placement& at);

}  // namespace vision
