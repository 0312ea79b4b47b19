// What the model makes of the images in golden/: pixels in, its input, its scores.
#pragma once

#include "model_facts.h"

#ifndef VISION_GOLDEN_IMAGES
#define VISION_GOLDEN_IMAGES VISION_GOLDEN_COUNT
#endif

namespace vision {

struct Golden {
  const std::uint8_t* pixels;
  const Input* input;
  const Score* scores;
};

extern const Golden kGolden[];

}  // namespace vision
