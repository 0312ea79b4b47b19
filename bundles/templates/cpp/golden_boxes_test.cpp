// Reproduces the golden files: golden_test BUNDLE [--exact]; the exit code is 0 where all agree.
// Pixels and inputs must be equal to the byte; outputs within the tolerance, or with --exact to the bit as well. Of the
// golden outputs the boxes must be the golden ones, to a hundredth of a pixel.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>

#include "detector.h"

using vision::kDecoding;
using vision::kPreprocessing;

static std::vector<uint8_t> bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

static std::vector<float> numbers(const std::string& path) {
  const std::vector<uint8_t> stored = bytes(path);
  std::vector<float> found(stored.size() / sizeof(float));
  if (!found.empty()) std::memcpy(found.data(), stored.data(), found.size() * sizeof(float));
  return found;
}

static bool same(const std::string& what, bool equal) {
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
    const vision::Image image = vision::read_ppm(file + ".ppm");
    const vision::Image pixels = vision::pixels(image, kPreprocessing);
    const std::vector<uint8_t> input = vision::tensor(pixels, kPreprocessing);
    good &= same(file + ".pixels", pixels.bytes == bytes(file + ".pixels"));
    good &= same(file + ".input", input == bytes(file + ".input"));
    vision::Outputs outputs = model.run(input);
    const std::vector<float> wanted = numbers(file + ".output");
    size_t from = 0;
    for (const vision::Checked& each : vision::kChecked) {
      std::vector<float>& got = outputs.at(each.name);
      if (from + got.size() > wanted.size()) throw std::runtime_error(file + ".output: is too short");
      float largest = 0;
      for (size_t i = 0; i < got.size(); ++i) largest = std::max(largest, std::fabs(wanted[from + i] - got[i]));
      const bool close = !vision::kOrdered || largest <= (exact ? 0 : each.tolerance);
      std::cout << file << " " << each.name << ": off by " << largest << (close ? "\n" : ": TOO MUCH\n");
      good &= close;
      std::copy_n(wanted.begin() + from, got.size(), got.begin());
      from += got.size();
    }
    const std::vector<float> boxes = numbers(file + ".boxes");
    size_t at = 0;
    bool equal = true;
    for (const vision::Object& each : vision::decode(outputs, kDecoding, kPreprocessing)) {
      if (each.score < kDecoding.score_threshold) continue;
      const vision::Object found = vision::to_image(each, image.width, image.height, kPreprocessing);
      if (!found.has_area()) continue;
      const double row[6] = {found.left, found.top, found.right, found.bottom, found.score, 1.0 * found.index};
      for (int i = 0; i < 6 && (equal &= at + i < boxes.size()); ++i)
        equal &= std::fabs(row[i] - boxes[at + i]) <= (i < 4 ? 0.01 : i == 4 ? 1e-5 : 0);
      at += 6;
    }
    good &= same(file + ".boxes", equal && at == boxes.size());
  }
  return good ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 2;
}
