// What a model gives, as far as its answer comes from it. Standard C++17, no libraries.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace vision {

// An output that is read.
struct Output {
  const char* role;  // what it is to the task
  const char* name;
  std::size_t size;  // how many numbers
  float tolerance;   // what one of them may be off on other hardware
};

using Outputs = std::map<std::string, std::vector<float>>;  // {role: the numbers}

struct Decoding;
struct Placement;
struct Preprocessing;

// The answer of this bundle's model for an image that lies so, as golden files have it, in one row.
std::vector<double> numbers(const Outputs& outputs, const Decoding& how, const Preprocessing& input,
                            const Placement& at);

}  // namespace vision
