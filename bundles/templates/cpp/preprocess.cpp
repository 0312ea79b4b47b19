#include "preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace vision {
namespace {

constexpr int kBits = 22;  // of a coefficient's fraction

double triangle(double x) { return std::max(1.0 - std::fabs(x), 0.0); }

double cubic(double x) {  // Keys' kernel with a = -0.5
  const double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

double sinc(double x) {
  const double pi = 3.14159265358979323846;
  return x == 0 ? 1.0 : std::sin(x * pi) / (x * pi);
}

double lanczos(double x) { return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Kernel {
  double support;
  double (*weight)(double);
};

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::bilinear:
      return {1.0, triangle};
    case Filter::bicubic:
      return {2.0, cubic};
    default:
      return {3.0, lanczos};
  }
}

struct Row {
  int first;
  std::vector<int32_t> weights;  // in units of 2^-kBits
};

std::vector<Row> coefficients(int size, int to, const Kernel& kernel) {
  const double scale = static_cast<double>(size) / to;
  const double stretch = std::max(scale, 1.0);  // downwards the filter widens: antialiasing
  const double reach = kernel.support * stretch, shrink = 1.0 / stretch;
  std::vector<Row> rows;
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - reach + 0.5), 0);
    const int last = std::min(static_cast<int>(centre + reach + 0.5), size);
    std::vector<double> weights;
    double total = 0;
    for (int x = 0; x < last - first; ++x) {
      weights.push_back(kernel.weight((x + first - centre + 0.5) * shrink));
      total += weights.back();
    }
    Row row{first, {}};
    for (double weight : weights) {
      if (total != 0) weight /= total;
      row.weights.push_back(static_cast<int32_t>(weight * (1 << kBits) + (weight < 0 ? -0.5 : 0.5)));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

uint8_t byte(int32_t total) { return static_cast<uint8_t>(std::clamp(total >> kBits, 0, 255)); }

// `lines` sequences of `size` pixels: pixel i of line l begins at l * line + i * step.
void resample(const uint8_t* from, int lines, int line, int step, uint8_t* to, int to_line, int to_step, int channels,
              const std::vector<Row>& rows) {
  for (int l = 0; l < lines; ++l) {
    for (size_t i = 0; i < rows.size(); ++i) {
      for (int c = 0; c < channels; ++c) {
        int32_t total = 1 << (kBits - 1);
        const uint8_t* pixel = from + static_cast<size_t>(l) * line + static_cast<size_t>(rows[i].first) * step + c;
        for (int32_t weight : rows[i].weights) {
          total += weight * *pixel;
          pixel += step;
        }
        to[static_cast<size_t>(l) * to_line + i * to_step + c] = byte(total);
      }
    }
  }
}

// The pixel that each of `to` results takes; positions add up in double, as Pillow does it.
std::vector<int> nearest(int size, int to) {
  const double step = static_cast<double>(size) / to;
  double position = step * 0.5;
  std::vector<int> found;
  for (int i = 0; i < to; ++i, position += step) found.push_back(std::min(static_cast<int>(position), size - 1));
  return found;
}

int half(int difference) {  // to the nearest whole number, from the middle to the even one
  const int low = difference >= 0 ? difference / 2 : -((1 - difference) / 2);
  return difference % 2 != 0 && low % 2 != 0 ? low + 1 : low;
}

int64_t rounded(int64_t dividend, int64_t divisor) {  // the quotient, a half to the even number
  const int64_t whole = dividend / divisor, left = dividend % divisor;
  return whole + (2 * left > divisor || (2 * left == divisor && whole % 2 == 1) ? 1 : 0);
}

Image empty(int width, int height, int channels) {
  return {width, height, channels, std::vector<uint8_t>(static_cast<size_t>(width) * height * channels)};
}

}  // namespace

Image upright(const Image& image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const bool turned = orientation >= 5;
  const bool flip_columns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_rows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image result = turned ? empty(image.height, image.width, image.channels)
                        : empty(image.width, image.height, image.channels);
  size_t to = 0;
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      const int column = flip_columns ? image.width - 1 - (turned ? y : x) : (turned ? y : x);
      const int row = flip_rows ? image.height - 1 - (turned ? x : y) : (turned ? x : y);
      const size_t from = (static_cast<size_t>(row) * image.width + column) * image.channels;
      for (int c = 0; c < image.channels; ++c) result.bytes[to++] = image.bytes[from + c];
    }
  }
  return result;
}

Image luminance(const Image& image) {
  Image grey = empty(image.width, image.height, 1);
  for (size_t i = 0; i < grey.bytes.size(); ++i) {  // Rec. 601 in 16-bit fixed point
    const uint8_t* rgb = &image.bytes[3 * i];
    grey.bytes[i] = static_cast<uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
  }
  return grey;
}

Image resized(const Image& image, int width, int height, Filter filter) {
  const int c = image.channels;
  if (filter == Filter::nearest) {
    Image result = empty(width, height, c);
    const auto columns = nearest(image.width, width), rows = nearest(image.height, height);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        std::memcpy(&result.bytes[(static_cast<size_t>(y) * width + x) * c],
                    &image.bytes[(static_cast<size_t>(rows[y]) * image.width + columns[x]) * c], c);
    return result;
  }
  const Kernel kernel = kernel_of(filter);
  Image wide = image;
  if (width != image.width) {
    wide = empty(width, image.height, c);
    resample(image.bytes.data(), image.height, image.width * c, c, wide.bytes.data(), width * c, c, c,
             coefficients(image.width, width, kernel));
  }
  if (height == image.height) return wide;
  Image result = empty(width, height, c);
  resample(wide.bytes.data(), width, c, width * c, result.bytes.data(), c, width * c, c,
           coefficients(image.height, height, kernel));
  return result;
}

Image window(const Image& image, int left, int top, int width, int height, int fill) {
  Image result = empty(width, height, image.channels);
  std::fill(result.bytes.begin(), result.bytes.end(), static_cast<uint8_t>(fill));
  const int from = std::max(left, 0), to = std::min(left + width, image.width);
  for (int y = std::max(top, 0); from < to && y < std::min(top + height, image.height); ++y)
    std::memcpy(&result.bytes[(static_cast<size_t>(y - top) * width + (from - left)) * image.channels],
                &image.bytes[(static_cast<size_t>(y) * image.width + from) * image.channels],
                static_cast<size_t>(to - from) * image.channels);
  return result;
}

Placement place(int image_width, int image_height, const Preprocessing& how) {
  const int64_t w = image_width, h = image_height;
  int64_t width = how.cover_width, height = how.cover_height;
  if (how.resize == Resize::letterbox) {
    if (width * h <= height * w)  // the width is what limits
      height = std::max<int64_t>(rounded(width * h, w), 1);
    else
      width = std::max<int64_t>(rounded(height * w, h), 1);
  } else if (how.resize == Resize::crop) {
    if (width * h >= height * w)
      height = width * h / w;
    else
      width = height * w / h;
  }
  Placement at{image_width, image_height, static_cast<int>(width), static_cast<int>(height), 0, 0};
  const bool pads = how.resize == Resize::letterbox;
  at.left = pads ? -((how.width - at.width) / 2) : half(at.width - how.width);
  at.top = pads ? -((how.height - at.height) / 2) : half(at.height - how.height);
  return at;
}

Image pixels(const Image& image, const Preprocessing& how) {
  if (image.channels != 3 || image.width < 1 || image.height < 1 ||
      image.bytes.size() != static_cast<size_t>(image.width) * image.height * 3)
    throw std::invalid_argument("an image is width * height * 3 bytes, RGB");
  const Image source = how.channels == 1 ? luminance(image) : image;
  const Placement at = place(source.width, source.height, how);
  const int fill = how.resize == Resize::letterbox ? how.pad_value : 0;
  return window(resized(source, at.width, at.height, how.filter), at.left, at.top, how.width, how.height, fill);
}

std::vector<uint8_t> tensor(const Image& pixels, const Preprocessing& how) {
  const size_t area = static_cast<size_t>(pixels.width) * pixels.height, size = how.normalises ? 4 : 1;
  std::vector<uint8_t> result(area * pixels.channels * size);
  for (size_t i = 0; i < area; ++i) {
    for (int c = 0; c < pixels.channels; ++c) {
      const uint8_t pixel = pixels.bytes[i * pixels.channels + c];
      const int channel = how.bgr ? pixels.channels - 1 - c : c;
      const size_t place = how.nhwc ? i * pixels.channels + channel : channel * area + i;
      const float value = (static_cast<float>(pixel) / how.divisor - how.mean[channel]) / how.deviation[channel];
      if (how.normalises)
        std::memcpy(&result[place * size], &value, size);
      else
        result[place] = pixel;
    }
  }
  return result;
}

Image read_ppm(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  int width = 0, height = 0, highest = 0;
  file >> magic >> width >> height >> highest;
  file.get();
  if (!file || magic != "P6" || highest != 255 || width < 1 || height < 1)
    throw std::runtime_error(path + ": is no binary PPM of 8 bits");
  Image image = empty(width, height, 3);
  file.read(reinterpret_cast<char*>(image.bytes.data()), static_cast<std::streamsize>(image.bytes.size()));
  if (!file) throw std::runtime_error(path + ": is cut short");
  return image;
}

}  // namespace vision
