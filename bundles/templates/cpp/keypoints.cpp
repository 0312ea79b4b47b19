#include "keypoints.h"

#include <algorithm>

namespace vision {
namespace {

int best_of(const float* values, int count) { return static_cast<int>(std::max_element(values, values + count) - values); }

int sign(float value) { return (value > 0) - (value < 0); }

// The middle of the highest cell, a quarter of one towards its higher neighbour.
Point of_heatmap(const float* map, const Decoding& how, const Preprocessing& input) {
  const int best = best_of(map, how.rows * how.columns), x = best % how.columns, y = best / how.columns;
  const auto at = [&](int row, int column) {
    return map[std::clamp(row, 0, how.rows - 1) * how.columns + std::clamp(column, 0, how.columns - 1)];
  };
  const int right = sign(at(y, x + 1) - at(y, x - 1)), below = sign(at(y + 1, x) - at(y - 1, x));
  return {(x + 0.5 + right / 4.0) * input.width / how.columns, (y + 0.5 + below / 4.0) * input.height / how.rows,
          map[best]};
}

std::vector<Point> in_input(const Outputs& outputs, const Decoding& how, const Preprocessing& input) {
  std::vector<Point> points;
  if (how.form == Form::heatmaps) {
    const float* maps = outputs.at("heatmaps").data();
    for (int k = 0; k < how.count; ++k)
      points.push_back(of_heatmap(maps + static_cast<size_t>(k) * how.rows * how.columns, how, input));
  } else if (how.form == Form::bins) {  // the highest along x, and along y
    for (int k = 0; k < how.count; ++k) {
      const float* x = outputs.at("x").data() + static_cast<size_t>(k) * how.columns;
      const float* y = outputs.at("y").data() + static_cast<size_t>(k) * how.rows;
      const int column = best_of(x, how.columns), row = best_of(y, how.rows);
      points.push_back({1.0 * column * input.width / how.columns, 1.0 * row * input.height / how.rows,
                        std::min(x[column], y[row])});
    }
  } else if (how.form == Form::boxes) {  // those of the box with the highest score
    const float* values = outputs.at("detections").data();
    const int best = best_of(values + 4 * static_cast<size_t>(how.columns), how.columns);
    const auto at = [&](int row) { return values[static_cast<size_t>(row) * how.columns + best]; };
    for (int k = 0; k < how.count; ++k) points.push_back({at(5 + 3 * k), at(6 + 3 * k), at(7 + 3 * k)});
  } else {
    const float* given = outputs.at("points").data();
    const int width = how.share ? input.width : 1, height = how.share ? input.height : 1;
    for (int k = 0; k < how.count; ++k, given += how.columns)
      points.push_back({1.0 * given[0] * width, 1.0 * given[1] * height, how.columns == 3 ? given[2] : 1.0});
  }
  return points;
}

}  // namespace

std::vector<Point> decode(const Outputs& outputs, const Decoding& how, const Preprocessing& input,
                          const Placement& at) {
  std::vector<Point> points = in_input(outputs, how, input);
  for (Point& each : points) each = {at.x(each.x), at.y(each.y), each.score};
  return points;
}

std::vector<double> numbers(const Outputs& outputs, const Decoding& how, const Preprocessing& input,
                            const Placement& at) {
  std::vector<double> row;
  for (const Point& each : decode(outputs, how, input, at)) row.insert(row.end(), {each.x, each.y, each.score});
  return row;
}

}  // namespace vision
