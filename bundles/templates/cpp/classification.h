// The best of a classifier's scores. Standard C++17, no libraries.
#pragma once

#include <vector>

#include "outputs.h"

namespace vision {

struct Decoding {
  int classes;
};

struct Score {
  int index;
  float score;
};

// The highest, best first; of equal ones the lower index.
std::vector<Score> top(const std::vector<float>& scores, int count);

}  // namespace vision
