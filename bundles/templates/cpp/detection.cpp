#include "detection.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <stdexcept>

namespace vision {
namespace {

constexpr size_t kMostCandidates = 1000, kMostBoxes = 300;  // into non-maximum suppression, and out of it

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

int half(int difference) {  // to the nearest whole number, from the middle to the even one
  const int low = difference >= 0 ? difference / 2 : -((1 - difference) / 2);
  return difference % 2 != 0 && low % 2 != 0 ? low + 1 : low;
}

int64_t rounded(int64_t dividend, int64_t divisor) {  // the quotient, a half to the even number
  const int64_t whole = dividend / divisor, left = dividend % divisor;
  return whole + (2 * left > divisor || (2 * left == divisor && whole % 2 == 1) ? 1 : 0);
}

}  // namespace

std::vector<Object> decode(const Outputs& outputs, const Decoding& how, const Preprocessing& input) {
  const bool joined = how.detections != nullptr;
  const std::vector<float>& boxes = outputs.at(joined ? how.detections : how.boxes);
  const size_t stride = joined ? how.width : 4, count = boxes.size() / stride;
  const std::vector<float>* scores = joined ? nullptr : &outputs.at(how.scores);
  const std::vector<float>* classes = how.classes ? &outputs.at(how.classes) : nullptr;
  const auto value = [&](size_t row, size_t at) { return boxes[how.columns ? at * count + row : row * stride + at]; };
  std::vector<Object> objects;
  for (size_t row = 0; row < count; ++row) {
    std::pair<float, int> best;
    if (classes) {
      best = {scores->at(row), static_cast<int>(classes->at(row))};
    } else {
      std::vector<float> values;
      if (joined)
        for (size_t at = 4; at + how.ignored < stride; ++at) values.push_back(value(row, at));
      else
        values.assign(scores->begin() + row * how.width, scores->begin() + (row + 1) * how.width);
      best = best_of(std::move(values), how);
    }
    if (!(best.first >= how.lowest_score)) continue;
    double side[4];
    for (int i = 0; i < 4; ++i) side[i] = value(row, i);
    to_corners(side, how.box);
    if (how.share)
      for (int i = 0; i < 4; ++i) side[i] *= i % 2 ? input.height : input.width;
    if (side[2] > side[0] && side[3] > side[1])
      objects.push_back({side[0], side[1], side[2], side[3], best.first, best.second});
  }
  std::stable_sort(objects.begin(), objects.end(), [](const Object& a, const Object& b) { return a.score > b.score; });
  if (how.suppresses) {
    objects.resize(std::min(objects.size(), kMostCandidates));
    objects = suppressed(objects, how.iou_threshold);
  }
  objects.resize(std::min(objects.size(), kMostBoxes));
  return objects;
}

Object to_image(const Object& object, int width, int height, const Preprocessing& how) {
  int64_t wide = how.cover_width, high = how.cover_height;
  const int64_t w = width, h = height;
  int left, top;
  if (how.resize == Resize::letterbox) {
    if (wide * h <= high * w)  // the width is what limits
      high = std::max<int64_t>(rounded(wide * h, w), 1);
    else
      wide = std::max<int64_t>(rounded(high * w, h), 1);
    left = -((how.width - static_cast<int>(wide)) / 2), top = -((how.height - static_cast<int>(high)) / 2);
  } else {
    if (how.resize == Resize::crop) {
      if (wide * h >= high * w)
        high = wide * h / w;
      else
        wide = high * w / h;
    }
    left = half(static_cast<int>(wide) - how.width), top = half(static_cast<int>(high) - how.height);
  }
  const auto place = [](double at, int shift, double factor, int most) {
    return std::clamp((at + shift) * factor, 0.0, static_cast<double>(most));
  };
  const double x = static_cast<double>(width) / wide, y = static_cast<double>(height) / high;
  return {place(object.left, left, x, width),  place(object.top, top, y, height), place(object.right, left, x, width),
          place(object.bottom, top, y, height), object.score, object.index};
}

}  // namespace vision
