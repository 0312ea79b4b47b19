#include "classifier.h"

#include "operators.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

// Where the arena lies: define it as __attribute__((section(...))) for external memory, say.
#ifndef VISION_ARENA_ATTRIBUTE
#define VISION_ARENA_ATTRIBUTE
#endif

// Since 2026 TensorFlow Lite Micro has its classes in a namespace of their own; before that they were one above.
namespace tflite {
namespace micro {}
}  // namespace tflite

namespace vision {
namespace {

using namespace tflite;
using namespace tflite::micro;

alignas(16) VISION_ARENA_ATTRIBUTE std::uint8_t arena[kArenaBytes];
MicroInterpreter* interpreter = nullptr;

}  // namespace

bool begin() {
  if (interpreter != nullptr) return true;
  static MicroMutableOpResolver<kOperators> resolver;
  static const bool known = add_operators(resolver);
  if (!known) return false;
  static MicroInterpreter made(GetModel(vision_model), resolver, arena, kArenaBytes);
  if (made.AllocateTensors() != 0) return false;
  if (made.typed_input_tensor<Input>(0) == nullptr || made.typed_output_tensor<Score>(kScoresOutput) == nullptr)
    return false;
  interpreter = &made;
  return true;
}

Input* input() { return interpreter->typed_input_tensor<Input>(0); }

void quantize(const std::uint8_t* pixels, Input* to) {
  constexpr int kArea = kHeight * kWidth;
  for (int i = 0; i < kArea; ++i) {
    for (int c = 0; c < kChannels; ++c) {
      const int channel = kBgr ? kChannels - 1 - c : c;
      const std::uint8_t pixel = pixels[i * kChannels + c];
      to[kNhwc ? i * kChannels + channel : channel * kArea + i] = kInputOfPixel[channel][pixel];
    }
  }
}

void set_pixels(const std::uint8_t* pixels) { quantize(pixels, input()); }

bool run() { return interpreter->Invoke() == 0; }

const Score* scores() { return interpreter->typed_output_tensor<Score>(kScoresOutput); }

float score(int index) { return (scores()[index] - kScoresZeroPoint) * kScoresScale; }

int best() {
  const Score* all = scores();
  int found = 0;
  for (int i = 1; i < kClasses; ++i)
    if (all[i] > all[found]) found = i;
  return found;
}

const char* label(int index) { return kLabels[0] == nullptr ? "" : kLabels[index]; }

std::size_t arena_used() { return interpreter->arena_used_bytes(); }

}  // namespace vision
