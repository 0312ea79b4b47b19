#include "detection.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace vision {
namespace {

constexpr std::size_t kMostCandidates = 1000, kMostBoxes = 300;  // into non-maximum suppression, and out of it

void activate(std::vector<float>& values, Activation activation) {
  if (activation == Activation::sigmoid) {
    for (float& value : values) value = 1.0f / (1.0f + std::exp(-std::clamp(value, -80.0f, 80.0f)));
  } else if (activation == Activation::softmax) {
    const float most = *std::max_element(values.begin(), values.end());
    float total = 0;
    for (float& value : values) total += value = std::exp(value - most);
    for (float& value : values) value /= total;
  }
}

// (score, class) of one box, of its values behind the sides.
std::pair<float, int> best_of(std::vector<float> values, const Decoding& how) {
  if (how.values == Values::score_class) return {values.at(0), static_cast<int>(values.at(1))};
  activate(values, how.activation);
  size_t first = 0, last = values.size();
  if (how.values == Values::objectness) {
    for (size_t i = 1; i < last; ++i) values[i] *= values[0];
    first = 1;
  }
  if (how.background == Background::first) ++first;
  if (how.background == Background::last) --last;
  const auto best = std::max_element(values.begin() + first, values.begin() + last);
  return {*best, static_cast<int>(best - values.begin() - first)};
}

void to_corners(double side[4], Box form) {
  if (form == Box::xyxy) return;
  for (int i = 0; i < 2; ++i) {
    if (form == Box::cxcywh) side[i] -= side[i + 2] / 2;
    side[i + 2] += side[i];
  }
}

double overlap(const Object& a, const Object& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const double shared = std::max(width, 0.0) * std::max(height, 0.0);
  const double areas = (a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top);
  return shared / (areas - shared);
}

std::vector<Object> suppressed(const std::vector<Object>& objects, double threshold) {
  std::vector<Object> kept;
  for (const Object& each : objects) {
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](const Object& higher) {
      return higher.index == each.index && overlap(higher, each) > threshold;
    });
    if (!covered) kept.push_back(each);
  }
  return kept;
}

}  // namespace

std::vector<Object> decode(const Outputs& outputs, const Decoding& how, const Preprocessing& input) {
  const std::vector<float>& boxes = outputs.at(how.joined ? "detections" : "boxes");
  const size_t stride = how.joined ? how.width : 4, count = boxes.size() / stride;
  const std::vector<float>* scores = how.joined ? nullptr : &outputs.at("scores");
  const std::vector<float>* classes = how.values == Values::separate ? &outputs.at("classes") : nullptr;
  const float lowest = static_cast<float>(how.lowest_score);
  const auto value = [&](size_t row, size_t at) { return boxes[how.columns ? at * count + row : row * stride + at]; };
  std::vector<Object> objects;
  for (size_t row = 0; row < count; ++row) {
    std::pair<float, int> best;
    if (classes) {
      best = {scores->at(row), static_cast<int>(classes->at(row))};
    } else {
      std::vector<float> values;
      if (how.joined)
        for (size_t at = 4; at + how.ignored < stride; ++at) values.push_back(value(row, at));
      else
        values.assign(scores->begin() + row * how.width, scores->begin() + (row + 1) * how.width);
      best = best_of(std::move(values), how);
    }
    if (!(best.first >= lowest)) continue;
    double side[4];
    for (int i = 0; i < 4; ++i) side[i] = value(row, i);
    to_corners(side, how.box);
    if (how.share)
      for (int i = 0; i < 4; ++i) side[i] *= i % 2 ? input.height : input.width;
    const Object object{side[0], side[1], side[2], side[3], best.first, best.second};
    if (object.has_area()) objects.push_back(object);
  }
  std::stable_sort(objects.begin(), objects.end(), [](const Object& a, const Object& b) { return a.score > b.score; });
  if (how.suppresses) {
    objects.resize(std::min(objects.size(), kMostCandidates));
    objects = suppressed(objects, how.iou_threshold);
  }
  objects.resize(std::min(objects.size(), kMostBoxes));
  return objects;
}

std::vector<Object> decode(const Outputs& outputs, const Decoding& how, const Preprocessing& input, const Placement& at,
                           double least) {
  const auto within = [](double place, int most) { return std::clamp(place, 0.0, static_cast<double>(most)); };
  std::vector<Object> found;
  for (const Object& each : decode(outputs, how, input)) {
    if (each.score < least) continue;
    const double left = within(at.x(each.left), at.image_width), right = within(at.x(each.right), at.image_width);
    const double top = within(at.y(each.top), at.image_height), bottom = within(at.y(each.bottom), at.image_height);
    const Object object{left, top, right, bottom, each.score, each.index};
    if (object.has_area()) found.push_back(object);
  }
  return found;
}

std::vector<double> numbers(const Outputs& outputs, const Decoding& how, const Preprocessing& input,
                            const Placement& at) {
  std::vector<double> row;
  for (const Object& each : decode(outputs, how, input, at, how.score_threshold)) {
    const double values[] = {each.left, each.top, each.right, each.bottom, each.score, 1.0 * each.index};
    row.insert(row.end(), std::begin(values), std::end(values));
  }
  return row;
}

}  // namespace vision
