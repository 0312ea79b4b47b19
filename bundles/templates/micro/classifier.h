// Pixels in, classes out, on a microcontroller. No heap, no exceptions, no files; C++17 and TensorFlow Lite Micro.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model_facts.h"

namespace vision {

// Allocates the tensors in static memory; once. false: TensorFlow Lite Micro's log says why, mostly that kArenaBytes are
// too few for this build of it, or that it lacks an operator.
bool begin();

// What the camera gave: kHeight x kWidth x kChannels bytes, row by row, RGB or luminance, already of that size. Becomes
// the model's input, exactly as the model was checked. Call it before each run(): the model overwrites its input.
void set_pixels(const std::uint8_t* pixels);

// Computes the scores. false: TensorFlow Lite Micro's log says why.
bool run();

// kClasses integers, until the next set_pixels().
const Score* scores();

// What an integer stands for: a logit or a probability.
float score(int index);

// The class with the highest score; of equal ones the first.
int best();

// "" where the model came without labels.
const char* label(int index);

// The input as the model takes it, kInputBytes of it: for tests, and for who fills it himself.
Input* input();

// How much of the arena is in use, after begin().
std::size_t arena_used();

// The luminance of an RGB pixel, as models of one channel take it.
inline std::uint8_t luminance(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return static_cast<std::uint8_t>((19595u * red + 38470u * green + 7471u * blue + 32768u) >> 16);
}

// The same as set_pixels(), into memory of your own.
void quantize(const std::uint8_t* pixels, Input* to);

}  // namespace vision
