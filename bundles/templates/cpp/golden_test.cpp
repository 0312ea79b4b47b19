// Reproduces the golden files: golden_test BUNDLE [--exact]; the exit code is 0 where all agree.
// Pixels and inputs must be equal to the byte; outputs within the tolerance, or with --exact to the bit as well.
#include <cmath>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>

#include "classifier.h"

using vision::kPreprocessing;

static std::vector<uint8_t> bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

static bool same(const std::string& what, const std::vector<uint8_t>& got, const std::vector<uint8_t>& wanted) {
  const bool equal = got == wanted;
  std::cout << what << (equal ? ": equal\n" : ": DIFFERS\n");
  return equal;
}

int main(int count, char** arguments) try {
  const std::string bundle = count > 1 ? arguments[1] : ".";
  const bool exact = count > 2 && std::string(arguments[2]) == "--exact";
  vision::Model model(bundle + "/model/" + vision::kArtifact);
  bool good = true;
  for (const char* name : vision::kGolden) {
    const std::string file = bundle + "/golden/" + name;
    const vision::Image pixels = vision::pixels(vision::read_ppm(file + ".ppm"), kPreprocessing);
    const std::vector<uint8_t> input = vision::tensor(pixels, kPreprocessing);
    good &= same(file + ".pixels", pixels.bytes, bytes(file + ".pixels"));
    good &= same(file + ".input", input, bytes(file + ".input"));
    const std::vector<float> scores = model.run(input).at(vision::kScores);
    const std::vector<uint8_t> stored = bytes(file + ".output");
    std::vector<float> wanted(stored.size() / sizeof(float));
    std::memcpy(wanted.data(), stored.data(), stored.size());
    float largest = wanted.size() == scores.size() ? 0 : INFINITY;
    for (size_t i = 0; i < wanted.size() && i < scores.size(); ++i)
      largest = std::max(largest, std::fabs(wanted[i] - scores[i]));
    const bool close = largest <= (exact ? 0 : vision::kTolerance);
    std::cout << file << ".output: off by " << largest << (close ? "\n" : ": TOO MUCH\n");
    good &= close;
  }
  return good ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 2;
}
