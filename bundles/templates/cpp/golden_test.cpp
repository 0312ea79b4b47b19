// Reproduces the golden files: golden_test BUNDLE [--exact]; the exit code is 0 where all agree.
// Pixels and inputs must be equal to the byte; outputs within the tolerance, or with --exact to the bit as well. Of the
// golden outputs the answers must be the golden ones.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>

#include "vision_model.h"

using vision::kPreprocessing;

static std::vector<uint8_t> bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

static std::vector<float> floats(const std::string& path) {
  const std::vector<uint8_t> stored = bytes(path);
  std::vector<float> found(stored.size() / sizeof(float));
  if (!found.empty()) std::memcpy(found.data(), stored.data(), found.size() * sizeof(float));
  return found;
}

static bool same(const std::string& what, bool equal) {
  std::cout << what << (equal ? ": equal\n" : ": DIFFERS\n");
  return equal;
}

static bool agree(const std::vector<double>& got, const std::vector<float>& wanted) {
  bool close = got.size() == wanted.size();
  for (size_t i = 0; close && i < got.size(); ++i)
    close = std::fabs(got[i] - wanted[i]) <= vision::kAnswerTolerances[i % std::size(vision::kAnswerTolerances)];
  return close;
}

int main(int count, char** arguments) try {
  const std::string bundle = count > 1 ? arguments[1] : ".";
  const bool exact = count > 2 && std::string(arguments[2]) == "--exact";
  vision::VisionModel model(bundle + "/model");
  bool good = true;
  for (const char* name : vision::kGolden) {
    const std::string file = bundle + "/golden/" + name;
    const vision::Image image = vision::read_ppm(file + ".ppm");
    const vision::Image pixels = vision::pixels(image, kPreprocessing);
    good &= same(file + ".pixels", pixels.bytes == bytes(file + ".pixels"));
    good &= same(file + ".input", vision::tensor(pixels, kPreprocessing) == bytes(file + ".input"));
    vision::Outputs outputs = model.outputs(image);
    const std::vector<float> wanted = floats(file + ".output");
    size_t from = 0;
    for (const vision::Output& each : vision::kOutputs) {
      std::vector<float>& got = outputs.at(each.role);
      if (from + got.size() > wanted.size()) throw std::runtime_error(file + ".output: is too short");
      float largest = 0;
      for (size_t i = 0; i < got.size(); ++i) largest = std::max(largest, std::fabs(wanted[from + i] - got[i]));
      const bool close = !vision::kOrdered || largest <= (exact ? 0 : each.tolerance);
      std::cout << file << ".output " << each.role << ": off by " << largest << (close ? "\n" : ": TOO MUCH\n");
      good &= close;
      std::copy_n(wanted.begin() + static_cast<std::ptrdiff_t>(from), got.size(), got.begin());
      from += got.size();
    }
    const vision::Placement at = vision::place(image.width, image.height, kPreprocessing);
    good &= same(file + ".answer", agree(vision::numbers(outputs, vision::kDecoding, kPreprocessing, at),
                                         floats(file + ".answer")));
  }
  return good ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 2;
}
