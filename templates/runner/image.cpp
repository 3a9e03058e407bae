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

// stb_image ignores the chunks' checksums; without them a flipped bit is a wrong picture, not an error.
void check_png(const Bytes& file, const std::string& name) {
  std::size_t at = 8;
  while (true) {
    if (file.size() - at < 12) refuse(name, "the PNG file is truncated");
    const std::size_t length = big_endian(&file[at]);
    if (length > file.size() - at - 12) refuse(name, "the PNG file is truncated");
    if (crc32(&file[at + 4], length + 4) != big_endian(&file[at + 8 + length])) refuse(name, "a PNG chunk has a wrong checksum");
    if (std::memcmp(&file[at + 4], "IEND", 4) == 0) return;
    at += length + 12;
  }
}

Picture decode_png(const Bytes& file, const std::string& name) {
  check_png(file, name);
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_memory(file.data(), static_cast<int>(file.size()), &width, &height, &channels, 3), &stbi_image_free);
  if (!pixels) refuse(name, std::string("the PNG file is damaged (") + stb_reason() + ")");
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
  if (png && file.size() >= 24) check_size(big_endian(&file[16]), big_endian(&file[20]), name);
  int width = 0, height = 0, channels = 0;
  if (stbi_info_from_memory(file.data(), static_cast<int>(file.size()), &width, &height, &channels) == 0) {
    refuse(name, std::string("the picture's header is damaged (") + stb_reason() + ")");
  }
  check_size(static_cast<std::size_t>(width), static_cast<std::size_t>(height), name);
  return png ? decode_png(file, name) : decode_jpeg(file, name);
}
