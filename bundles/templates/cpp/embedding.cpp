#include "embedding.h"

#include <cmath>
#include <stdexcept>

namespace vision {
namespace {

double product(const std::vector<float>& one, const std::vector<float>& other) {
  double total = 0;
  for (std::size_t i = 0; i < one.size(); ++i) total += static_cast<double>(one[i]) * other[i];
  return total;
}

double length_of(const std::vector<float>& vector) {
  const double length = std::sqrt(product(vector, vector));
  return length > 0 ? length : 1.0;
}

}  // namespace

std::vector<float> normalised(const std::vector<float>& vector) {
  const double length = length_of(vector);
  std::vector<float> result;
  for (float number : vector) result.push_back(static_cast<float>(number / length));
  return result;
}

double cosine(const std::vector<float>& one, const std::vector<float>& other) {
  if (one.size() != other.size()) throw std::invalid_argument("two vectors have as many numbers");
  return product(one, other) / (length_of(one) * length_of(other));
}

std::vector<double> numbers(const Outputs& outputs, const Decoding&, const Preprocessing&, const Placement&) {
  const std::vector<float> vector = normalised(outputs.at("vector"));
  return {vector.begin(), vector.end()};
}

}  // namespace vision
