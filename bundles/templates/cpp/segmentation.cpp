#include "segmentation.h"

#include <algorithm>
#include <cstdint>

namespace vision {
namespace {

// For each of the image's pixels along an axis the cell, of `count` along the input's side; kUnseen outside of them.
std::vector<int> cells(int64_t size, int64_t resized, int64_t start, int64_t side, int64_t count) {
  std::vector<int> found;
  for (int64_t i = 0; i < size; ++i) {
    const int64_t middle = (2 * i + 1) * resized - 2 * start * size;  // in units of 1 / (2 size) of the input's pixels
    const int64_t cell = middle < 0 ? kUnseen : middle * count / (2 * size * side);
    found.push_back(cell < count ? static_cast<int>(cell) : kUnseen);
  }
  return found;
}

}  // namespace

ClassMap decode(const Outputs& outputs, const Decoding& how) {
  const std::vector<float>& given = outputs.at(how.form == Form::ids ? "ids" : "scores");
  const float threshold = static_cast<float>(how.threshold);
  ClassMap map{how.width, how.height, {}};
  const size_t area = static_cast<size_t>(how.width) * how.height;
  for (size_t i = 0; i < area; ++i) {
    if (how.form == Form::ids) {
      map.classes.push_back(static_cast<int>(given[i]));
    } else if (how.form == Form::threshold) {
      map.classes.push_back(given[i] > threshold ? 1 : 0);
    } else {
      int best = 0;
      for (int c = 1; c < how.classes; ++c)
        if (given[c * area + i] > given[best * area + i]) best = c;
      map.classes.push_back(best);
    }
  }
  return map;
}

ClassMap to_image(const ClassMap& map, const Placement& at, const Preprocessing& input) {
  const std::vector<int> rows = cells(at.image_height, at.height, at.top, input.height, map.height);
  const std::vector<int> columns = cells(at.image_width, at.width, at.left, input.width, map.width);
  ClassMap shown{at.image_width, at.image_height, {}};
  shown.classes.reserve(rows.size() * columns.size());
  for (int row : rows)
    for (int column : columns)
      shown.classes.push_back(row < 0 || column < 0 ? kUnseen : map.classes[static_cast<size_t>(row) * map.width + column]);
  return shown;
}

std::vector<double> numbers(const Outputs& outputs, const Decoding& how, const Preprocessing& input,
                            const Placement& at) {
  const ClassMap map = to_image(decode(outputs, how), at, input);
  return {map.classes.begin(), map.classes.end()};
}

}  // namespace vision
