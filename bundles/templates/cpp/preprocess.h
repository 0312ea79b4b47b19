// Resize, crop and normalise an image exactly as the model was checked with. Standard C++17, no libraries.
// The resampling is Pillow's, to the bit: two passes, each in 22-bit fixed point with 8-bit results.
// Compile with -ffp-contract=off: fused multiply-adds round the coefficients differently.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vision {

// Rows of pixels, channels side by side: bytes[(y * width + x) * channels + c].
struct Image {
  int width = 0, height = 0, channels = 3;
  std::vector<uint8_t> bytes;
};

enum class Filter { nearest, bilinear, bicubic, lanczos };

struct Preprocessing {
  int channels;                   // 3 for RGB, 1 for luminance
  int height, width;              // of the input
  int cover_height, cover_width;  // what the resized image just covers, before the crop
  Filter filter;
  float mean[3], deviation[3];  // per channel, of pixels scaled to 0..1
  bool normalises;              // false where the model takes pixels, uint8, and normalises them itself
  bool nhwc;                    // layout of the input; else nchw
};

// RGB, upright -> what the model sees, still 8 bits: resized, and cropped in the centre. Throws std::invalid_argument.
Image pixels(const Image& image, const Preprocessing& how);

// The input's bytes: uint8 or float32, as `how` says, in its layout.
std::vector<uint8_t> tensor(const Image& pixels, const Preprocessing& how);

// Turned and mirrored as EXIF's orientation says: 2 to 8; any other means that the image is upright.
Image upright(const Image& image, int orientation);

Image luminance(const Image& image);
Image resized(const Image& image, int width, int height, Filter filter);
Image cropped(const Image& image, int width, int height);

struct Score {
  int index;
  float score;
};

// The highest, best first; of equal ones the lower index.
std::vector<Score> top(const std::vector<float>& scores, int count);

// A binary PPM (P6, 8 bits), the form of the golden images. Throws std::runtime_error.
Image read_ppm(const std::string& path);

}  // namespace vision
