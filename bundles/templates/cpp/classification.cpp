#include "classification.h"

#include <algorithm>
#include <numeric>

namespace vision {

std::vector<Score> top(const std::vector<float>& scores, int count) {
  std::vector<int> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return scores[a] > scores[b]; });
  std::vector<Score> best;
  for (int i = 0; i < count && i < static_cast<int>(order.size()); ++i) best.push_back({order[i], scores[order[i]]});
  return best;
}

std::vector<double> numbers(const Outputs& outputs, const Decoding&, const Preprocessing&, const Placement&) {
  std::vector<double> row;
  for (const Score& each : top(outputs.at("scores"), 5)) {
    row.push_back(each.index);
    row.push_back(each.score);
  }
  return row;
}

}  // namespace vision
