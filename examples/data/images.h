// Pictures from and to files, for examples: PNG by libpng, where the tree was built with it, and PPM and PGM. Refuses pictures above
// 256 MiB, and files that are none.
#pragma once

#include <tenon/tenon.h>

#include <string>

namespace tenon::examples {

// u8[height, width, channels], by what the file begins with: 1 (grey), 3 (red, green, blue) or, of a PNG with transparency, 2 or 4.
Tensor read_image(const std::string& path);
// u8[height, width] or u8[height, width, channels]; by the end of the name: .png, .ppm, .pgm.
void write_image(const std::string& path, const Tensor& image);
// Pictures u8[n, height, width(, channels)] beside and below each other, `columns` in a row, with a gap of one grey line.
Tensor sheet(const Tensor& images, int64_t columns);

}  // namespace tenon::examples
