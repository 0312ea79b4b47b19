#include "ctc.h"

#include <algorithm>

namespace vision {

std::vector<int> decode(const std::vector<float>& scores, const Decoding& how) {
  std::vector<int> found;
  int before = how.blank;
  for (int step = 0; step < how.steps; ++step) {
    const auto row = scores.begin() + static_cast<std::ptrdiff_t>(step) * how.classes;
    const int best = static_cast<int>(std::max_element(row, row + how.classes) - row);
    if (best != before && best != how.blank) found.push_back(best);
    before = best;
  }
  return found;
}

std::vector<double> numbers(const Outputs& outputs, const Decoding& how, const Preprocessing&, const Placement&) {
  const std::vector<int> found = decode(outputs.at("scores"), how);
  return {found.begin(), found.end()};
}

}  // namespace vision
