#include "image.h"

#include <cstring>
#include <memory>

#include "failure.h"
#include "jpeg.h"
#include "stb.h"

namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw Failure(kEnvironment, name + ": " + why);
}

std::uint32_t big_endian(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

void check_size(std::size_t width, std::size_t height, const std::string& name) {
  if (height == 0 || width <= kPixelLimit / height) return;
  refuse(name, std::to_string(width) + " x " + std::to_string(height) + " pixels are over the limit of 64 megapixels");
}

std::uint32_t crc32(const std::uint8_t* bytes, std::size_t size) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

// Calls `see(at, length)` with each chunk's place, that of its length, until IEND.
// stb_image ignores the chunks' checksums; without them a flipped bit is a wrong picture, not an error.
template <typename See>
void check_png(const Bytes& file, const std::string& name, See see) {
  std::size_t at = 8;
  while (true) {
    if (file.size() - at < 12) refuse(name, "the PNG file is truncated");
    const std::size_t length = big_endian(&file[at]);
    if (length > file.size() - at - 12) refuse(name, "the PNG file is truncated");
    if (crc32(&file[at + 4], length + 4) != big_endian(&file[at + 8 + length])) refuse(name, "a PNG chunk has a wrong checksum");
    if (std::memcmp(&file[at + 4], "IEND", 4) == 0) return;
    see(at, length);
    at += length + 12;
  }
}

// Colours beyond a short palette are black, as in Pillow: stb_image takes what its stack holds for them.
Bytes with_whole_palette(const Bytes& file, std::size_t at, std::size_t length) {
  const std::size_t whole = 256 * 3;
  Bytes padded(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(at + 8 + length));
  padded.resize(at + 8 + whole);
  padded[at + 2] = whole >> 8, padded[at + 3] = whole & 0xFF;
  padded.insert(padded.end(), file.begin() + static_cast<std::ptrdiff_t>(at + 8 + length), file.end());
  return padded;
}

Picture decode_png(const Bytes& given, const std::string& name) {
  std::size_t palette = 0, colours = 0;
  check_png(given, name, [&](std::size_t at, std::size_t length) {
    if (std::memcmp(&given[at + 4], "PLTE", 4) == 0) palette = at, colours = length;
  });
  const bool is_short = palette > 0 && colours % 3 == 0 && colours < 256 * 3;
  const Bytes padded = is_short ? with_whole_palette(given, palette, colours) : Bytes();
  const Bytes& file = is_short ? padded : given;
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_memory(file.data(), static_cast<int>(file.size()), &width, &height, &channels, 3), &stbi_image_free);
  if (!pixels) refuse(name, stb_refusal("the PNG file"));
  const std::size_t size = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
  return {width, height, Bytes(pixels.get(), pixels.get() + size)};
}

}  // namespace

Picture decode(const Bytes& file, const std::string& name) {
  const bool png = file.size() > 8 && std::memcmp(file.data(), "\x89PNG\r\n\x1a\n", 8) == 0;
  const bool jpeg = file.size() > 3 && std::memcmp(file.data(), "\xff\xd8\xff", 3) == 0;
  if (!png && !jpeg) refuse(name, "neither a PNG nor a JPEG picture");
  if (jpeg) check_jpeg(file, name);
  // stb_image has limits of its own, above ours, that it calls damage.
  if (png && (file.size() < 24 || std::memcmp(&file[12], "IHDR", 4) != 0)) refuse(name, "the PNG file does not begin with its header");
  if (png) check_size(big_endian(&file[16]), big_endian(&file[20]), name);
  int width = 0, height = 0, channels = 0;
  if (stbi_info_from_memory(file.data(), static_cast<int>(file.size()), &width, &height, &channels) == 0) {
    refuse(name, stb_refusal("the picture's header"));
  }
  check_size(static_cast<std::size_t>(width), static_cast<std::size_t>(height), name);
  return png ? decode_png(file, name) : decode_jpeg(file, name);
}
