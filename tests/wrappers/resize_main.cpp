// Lines "image.ppm width height filter out" on stdin; the filter by its number. Writes the resized bytes.
#include <fstream>
#include <iostream>

#include "preprocess.h"

int main() {
  std::string from, to;
  int width, height, filter;
  while (std::cin >> from >> width >> height >> filter >> to) {
    const vision::Image image =
        vision::resized(vision::read_ppm(from), width, height, static_cast<vision::Filter>(filter));
    std::ofstream(to, std::ios::binary).write(reinterpret_cast<const char*>(image.bytes.data()), image.bytes.size());
  }
}
