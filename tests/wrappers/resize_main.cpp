// Lines "image.ppm width height filter orientation out" on stdin; the filter by its number. Writes the bytes of the
// image, turned upright and resized.
#include <fstream>
#include <iostream>

#include "preprocess.h"

int main() {
  std::string from, to;
  int width, height, filter, orientation;
  while (std::cin >> from >> width >> height >> filter >> orientation >> to) {
    const vision::Image stored = vision::upright(vision::read_ppm(from), orientation);
    const vision::Image image = vision::resized(stored, width, height, static_cast<vision::Filter>(filter));
    std::ofstream(to, std::ios::binary).write(reinterpret_cast<const char*>(image.bytes.data()), image.bytes.size());
  }
}
