// libpng through its simplified interface, from and to memory; the header of a PPM file by hand.
#include "tenon/examples/data/images.h"

#ifdef TENON_HAS_PNG
#include <png.h>
#endif

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace tenon::examples {
namespace {

constexpr int64_t most_bytes = int64_t{256} << 20;

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw Error("image '" + path + "': " + reason);
}

void check_size(const std::string& path, int64_t height, int64_t width, int64_t channels) {
  if (height < 1 || width < 1 || height > most_bytes / width / channels)
    refuse(path,
           "has " + std::to_string(height) + " x " + std::to_string(width) + " pixels, which is none or too many");
}

#ifdef TENON_HAS_PNG
Tensor parse_png(const std::string& path, const std::string& file) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, file.data(), file.size()) == 0) refuse(path, image.message);
  image.format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;  // eight bits a channel, no palette
  const int64_t channels = PNG_IMAGE_SAMPLE_CHANNELS(image.format);
  try {
    check_size(path, image.height, image.width, channels);
  } catch (...) {
    png_image_free(&image);
    throw;
  }
  std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) == 0) refuse(path, image.message);
  return copy_from(pixels.data(), {image.height, image.width, channels}, u8);
}

void write_png(const std::string& path, const uint8_t* pixels, int64_t height, int64_t width, int64_t channels) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.height = static_cast<png_uint_32>(height);
  image.width = static_cast<png_uint_32>(width);
  image.format = (channels >= 3 ? PNG_FORMAT_FLAG_COLOR : 0u) | (channels % 2 == 0 ? PNG_FORMAT_FLAG_ALPHA : 0u);
  if (png_image_write_to_file(&image, path.c_str(), 0, pixels, 0, nullptr) == 0) refuse(path, image.message);
}
#else
Tensor parse_png(const std::string& path, const std::string&) {
  refuse(path, "a PNG file; this tree was built without libpng");
}
void write_png(const std::string& path, const uint8_t*, int64_t, int64_t, int64_t) {
  refuse(path, "this tree was built without libpng; write a .ppm");
}
#endif

// A number of the header: after blanks and comments.
int64_t header_number(const std::string& path, const std::string& file, size_t& at) {
  while (at < file.size() && (std::strchr(" \t\r\n", file[at]) != nullptr || file[at] == '#'))
    at = file[at] == '#' ? std::min(file.find('\n', at), file.size()) : at + 1;
  int64_t value = 0;
  const size_t begin = at;
  for (; at < file.size() && at - begin < 9 && file[at] >= '0' && file[at] <= '9'; ++at)
    value = 10 * value + (file[at] - '0');
  if (at == begin) refuse(path, "the header is damaged");
  return value;
}

Tensor parse_ppm(const std::string& path, const std::string& file) {
  const int64_t channels = file[1] == '6' ? 3 : 1;
  size_t at = 2;
  const int64_t width = header_number(path, file, at), height = header_number(path, file, at),
                most = header_number(path, file, at);
  check_size(path, height, width, channels);
  if (most != 255) refuse(path, "has " + std::to_string(most + 1) + " shades where 256 are expected");
  if (file.size() - std::min(file.size(), at + 1) != static_cast<size_t>(height * width * channels))
    refuse(path, "does not hold as many pixels as it says");
  return copy_from(file.data() + at + 1, {height, width, channels}, u8);
}

}  // namespace

Tensor read_image(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string file((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (!stream) refuse(path, "cannot be read");
  if (file.starts_with("\x89PNG")) return parse_png(path, file);
  if (file.starts_with("P6") || file.starts_with("P5")) return parse_ppm(path, file);
  refuse(path, "neither PNG nor binary PPM or PGM");
}

void write_image(const std::string& path, const Tensor& image) {
  if (image.dtype() != u8 || image.ndim() < 2 || image.ndim() > 3)
    refuse(path, "u8[height, width(, channels)] is written");
  const int64_t height = image.size(0), width = image.size(1),
                channels = image.ndim() == 2 ? 1 : image.size(2).number();
  check_size(path, height, width, channels < 1 ? most_bytes : channels);
  const std::vector<uint8_t> pixels = image.to_vector<uint8_t>();
  if (path.ends_with(".png") && channels <= 4) return write_png(path, pixels.data(), height, width, channels);
  const bool colour = channels == 3 && path.ends_with(".ppm");
  if (!colour && !(channels == 1 && path.ends_with(".pgm")))
    refuse(path, std::to_string(channels) + " channels are not written to such a file");
  std::ofstream file(path, std::ios::binary);
  file << (colour ? "P6\n" : "P5\n") << std::to_string(width) << ' ' << std::to_string(height) << "\n255\n";
  file.write(reinterpret_cast<const char*>(pixels.data()), static_cast<std::streamsize>(pixels.size()));
  if (!file.flush()) refuse(path, "cannot be written");
}

Tensor sheet(const Tensor& images, int64_t columns) {
  const int64_t n = images.size(0), h = images.size(1), w = images.size(2),
                c = images.ndim() == 4 ? images.size(3).number() : 1;
  const int64_t rows = (n + columns - 1) / columns, height = rows * (h + 1) + 1, width = columns * (w + 1) + 1;
  std::vector<uint8_t> page(static_cast<size_t>(height * width * c), 128);
  const std::vector<uint8_t> pixels = images.to_vector<uint8_t>();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t y = 0; y < h; ++y)
      std::copy_n(pixels.begin() + (i * h + y) * w * c, w * c,
                  page.begin() + ((i / columns * (h + 1) + 1 + y) * width + i % columns * (w + 1) + 1) * c);
  return copy_from(page.data(), {height, width, c}, u8);
}

}  // namespace tenon::examples
