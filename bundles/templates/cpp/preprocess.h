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

enum class Resize { crop, stretch, letterbox };

struct Preprocessing {
  int channels;                   // 3 for colours, 1 for luminance
  int height, width;              // of the input
  int cover_height, cover_width;  // what the resized image just covers, has, or fits into, as `resize` says
  Resize resize;
  int pad_value;  // of a letterbox
  Filter filter;
  float divisor;                // what pixels are divided by before the mean is subtracted
  float mean[3], deviation[3];  // per channel, in the model's order
  bool bgr;                     // the model takes blue, green, red; images and pixels are RGB
  bool normalises;              // false where the model takes pixels, uint8, and normalises them itself
  bool nhwc;                    // layout of the input; else nchw
};

// Where the input lies in an image.
struct Placement {
  int image_width, image_height;
  int width, height;  // that the image is resized to
  int left, top;      // where the input begins in the resized image; negative where there is a border

  // From pixels of the input to those of the image.
  double x(double at) const { return (at + left) * (static_cast<double>(image_width) / width); }
  double y(double at) const { return (at + top) * (static_cast<double>(image_height) / height); }
};

// Of an odd difference a letterbox has the smaller half above and on the left; a crop halves it to the even number.
Placement place(int image_width, int image_height, const Preprocessing& how);

// RGB, upright -> what the model sees, still 8 bits and RGB: resized, and cropped or padded. Throws
// std::invalid_argument.
Image pixels(const Image& image, const Preprocessing& how);

// The input's bytes: uint8 or float32, as `how` says, in its layout.
std::vector<uint8_t> tensor(const Image& pixels, const Preprocessing& how);

// Turned and mirrored as EXIF's orientation says: 2 to 8; any other means that the image is upright.
Image upright(const Image& image, int orientation);

Image luminance(const Image& image);
Image resized(const Image& image, int width, int height, Filter filter);
// The part of the image that begins there, filled where there is no image.
Image window(const Image& image, int left, int top, int width, int height, int fill);

// A binary PPM (P6, 8 bits), the form of the golden images. Throws std::runtime_error.
Image read_ppm(const std::string& path);

}  // namespace vision
