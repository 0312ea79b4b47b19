// The vectors of images, brought to length 1, and how alike two are. Standard C++17, no libraries.
#pragma once

#include <vector>

#include "outputs.h"

namespace vision {

struct Decoding {
  int size;  // of the vector
};

// Of length 1; zeros as they are.
std::vector<float> normalised(const std::vector<float>& vector);

// 1 for the same direction, 0 for nothing in common; of vectors of any length. Throws std::invalid_argument where one has
// more numbers than the other.
double cosine(const std::vector<float>& one, const std::vector<float>& other);

}  // namespace vision
