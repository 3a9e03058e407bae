#include "wav.h"

#include <cstring>
#include <string>

#include "failure.h"

namespace {

constexpr std::size_t kWavHeaderLimit = std::size_t{1} << 20;
constexpr unsigned kTagPcm = 1, kTagFloat = 3, kTagExtensible = 0xFFFE;
constexpr std::size_t kUnknownLength = 0x7FFFF000;  // recorders that cannot go back write this much, or more

[[noreturn]] void unheard(const std::string& why) { throw Failure(kEnvironment, why); }

std::uint32_t little_endian(const std::uint8_t* data, std::size_t bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= std::uint32_t{data[i]} << (8 * i);
  return value;
}

std::string format_name(unsigned tag) {
  if (tag == 2 || tag == 17) return "ADPCM";
  if (tag == 6) return "A-law";
  if (tag == 7) return "mu-law";
  return "format " + std::to_string(tag);
}

Wav wav_format(const std::uint8_t* body, std::size_t size) {
  if (size < 16) unheard("the WAV header's format is cut short");
  unsigned tag = little_endian(body, 2);
  const std::size_t channels = little_endian(body + 2, 2), rate = little_endian(body + 4, 4), bits = little_endian(body + 14, 2);
  if (tag == kTagExtensible && size >= 26) tag = little_endian(body + 24, 2);
  const bool read = (tag == kTagPcm && (bits == 8 || bits == 16 || bits == 24 || bits == 32)) || (tag == kTagFloat && (bits == 32 || bits == 64));
  if (!read) unheard("the WAV's sound is " + format_name(tag) + " of " + std::to_string(bits) + " bits: PCM and float are read");
  if (channels == 0 || rate == 0) unheard("the WAV header names no channel or no sample rate");
  const std::size_t each = channels * bits / 8, given = little_endian(body + 12, 2);
  if (given != each) {
    unheard("its header gives " + std::to_string(given) + " bytes to a sample of " + std::to_string(bits) + " bits in " +
            std::to_string(channels) + " channels, which is read where it takes " + std::to_string(each));
  }
  return Wav{rate, channels, Pcm{tag == kTagFloat, bits / 8}, 0, std::nullopt};
}

// Whether the sound's length was not known when the header was written: no length in a file whose own one goes beyond the
// header says that it holds none.
bool unfinished(std::size_t length, std::size_t start, std::size_t riff) {
  return length >= kUnknownLength || (length == 0 && (riff == 0 || riff >= kUnknownLength || riff + 8 == start));
}

}  // namespace

std::optional<Wav> wav_header(const std::uint8_t* data, std::size_t size) {
  if (size < 12) return std::nullopt;
  if (std::memcmp(data + 8, "WAVE", 4) != 0) unheard("it is a RIFF file, but no WAV");
  std::optional<Wav> found;
  for (std::size_t at = 12; at + 8 <= size;) {
    const std::size_t length = little_endian(data + at + 4, 4), body = at + 8;
    if (std::memcmp(data + at, "data", 4) == 0) {
      if (!found) unheard("the WAV's sound comes before its format");
      found->start = body;
      if (!unfinished(length, body, little_endian(data + 4, 4))) found->bytes = length;
      return found;
    }
    if (length > kWavHeaderLimit || body > kWavHeaderLimit) unheard("the WAV header does not end");
    if (body + length > size) return std::nullopt;
    if (std::memcmp(data + at, "fmt ", 4) == 0) found = wav_format(data + body, length);
    at = body + length + length % 2;
  }
  return std::nullopt;
}

void decode(const Pcm& pcm, const std::uint8_t* data, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i, data += pcm.bytes) {
    if (pcm.floating && pcm.bytes == 4) {
      std::memcpy(out + i, data, sizeof(float));
    } else if (pcm.floating) {
      double value = 0;
      std::memcpy(&value, data, sizeof(double));
      out[i] = static_cast<float>(value);
    } else if (pcm.bytes == 1) {
      out[i] = (static_cast<float>(data[0]) - 128.0f) / 128.0f;
    } else {  // into the highest bytes of 32 bits, where the sign is
      const std::uint32_t high = little_endian(data, pcm.bytes) << (8 * (4 - pcm.bytes));
      out[i] = static_cast<float>(static_cast<double>(static_cast<std::int32_t>(high)) / 2147483648.0);
    }
  }
}
