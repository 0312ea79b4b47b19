// A detector's outputs -> boxes in the image's pixels, exactly as the model was checked. Standard C++17, no libraries.
#pragma once

#include <map>
#include <string>
#include <vector>

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
  bool share;         // boxes are shares of the input's size, not its pixels
  bool columns;       // (values, boxes), not (boxes, values)
  bool suppresses;    // non-maximum suppression is still to be done
  int width;          // values of a box in the output of boxes and scores, or scores of a box in that of scores
  int ignored;        // of them, those behind the classes
  float lowest_score;
  double score_threshold, iou_threshold;
  const char* detections;  // the output of boxes and scores, or nullptr
  const char* boxes;       // outputs of their own, or nullptr
  const char* scores;
  const char* classes;
};

struct Object {
  double left, top, right, bottom;
  double score;
  int index;

  bool has_area() const { return right > left && bottom > top; }
};

using Outputs = std::map<std::string, std::vector<float>>;

// In pixels of the model's input, the highest score first.
std::vector<Object> decode(const Outputs& outputs, const Decoding& how, const Preprocessing& input);

// From pixels of the model's input to those of an upright image of that size, within its borders: without an area where
// it is outside of them as a whole.
Object to_image(const Object& object, int width, int height, const Preprocessing& how);

}  // namespace vision
