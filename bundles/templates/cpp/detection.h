// A detector's outputs -> boxes in the image's pixels, exactly as the model was checked. Standard C++17, no libraries.
#pragma once

#include <vector>

#include "outputs.h"
#include "preprocess.h"

namespace vision {

enum class Box { xyxy, cxcywh, xywh };
enum class Values { classes, objectness, score_class, separate };  // separate: the class is an output of its own
enum class Activation { none, sigmoid, softmax };
enum class Background { none, first, last };

// What decoding depends on; bundle.json says the same.
struct Decoding {
  Box box;
  Values values;
  Activation activation;
  Background background;
  bool joined;      // boxes and scores are one output
  bool share;       // boxes are shares of the input's size, not its pixels
  bool columns;     // (values, boxes), not (boxes, values)
  bool suppresses;  // non-maximum suppression is still to be done
  int width;        // values of a box in the output of boxes and scores, or scores of a box in that of scores
  int ignored;      // of them, those behind the classes
  double lowest_score, score_threshold, iou_threshold;
};

struct Object {
  double left, top, right, bottom;
  double score;
  int index;

  bool has_area() const { return right > left && bottom > top; }
};

// In pixels of the model's input, the highest score first.
std::vector<Object> decode(const Outputs& outputs, const Decoding& how, const Preprocessing& input);

// In pixels of an upright image, within its borders, of scores from `least` on; what is outside of it as a whole is left
// out.
std::vector<Object> decode(const Outputs& outputs, const Decoding& how, const Preprocessing& input, const Placement& at,
                           double least);

}  // namespace vision
