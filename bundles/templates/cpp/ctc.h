// The scores of characters along an image -> the classes of its characters, by CTC's best path, exactly as the model was
// checked. Standard C++17, no libraries.
#pragma once

#include <vector>

#include "outputs.h"

namespace vision {

// What decoding depends on; bundle.json says the same.
struct Decoding {
  int steps, classes;
  int blank;  // the class that is no character
};

// The best class of each step, repeats once, blanks out.
std::vector<int> decode(const std::vector<float>& scores, const Decoding& how);

}  // namespace vision
