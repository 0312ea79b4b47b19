// Reproduces the golden vectors on the device, over printf; the last line is PASS or FAIL, and so is the exit code.
// VISION_GOLDEN_IMAGES=1 takes the first alone, where the storage is small.
#include <cstdio>

#include "classifier.h"
#include "golden_data.h"

int main() {
  if (!vision::begin()) {
    std::printf("the model does not start\nFAIL\n");
    return 1;
  }
  std::printf("arena: %lu of %lu bytes\n", static_cast<unsigned long>(vision::arena_used()),
              static_cast<unsigned long>(vision::kArenaBytes));
  bool good = true;
  for (int i = 0; i < VISION_GOLDEN_IMAGES; ++i) {
    const vision::Golden& golden = vision::kGolden[i];
    vision::set_pixels(golden.pixels);
    long different = 0;
    for (std::size_t k = 0; k < vision::kInputBytes; ++k) different += vision::input()[k] != golden.input[k];
    if (!vision::run()) {
      std::printf("image %d: does not run\nFAIL\n", i);
      return 1;
    }
    int largest = 0;
    for (int k = 0; k < vision::kClasses; ++k) {
      const int off = vision::scores()[k] - golden.scores[k];
      if (off > largest) largest = off;
      if (-off > largest) largest = -off;
    }
    const bool fine = different == 0 && largest <= vision::kTolerance;
    std::printf("image %d: input %s, scores off by %d%s, class %d %s\n", i, different == 0 ? "equal" : "DIFFERS",
                largest, largest > vision::kTolerance ? ": TOO MUCH" : "", vision::best(),
                vision::label(vision::best()));
    good = good && fine;
  }
  std::printf(good ? "PASS\n" : "FAIL\n");
  return good ? 0 : 1;
}
