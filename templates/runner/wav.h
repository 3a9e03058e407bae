// WAV files (RIFF) and raw sound to samples in -1..1; compiler/edgec/datasets/sounds.py reads the same ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

// How one sample is written, little-endian; of one byte it has no sign.
struct Pcm {
  bool floating;
  std::size_t bytes;
};

struct Wav {
  std::size_t rate;
  std::size_t channels;
  Pcm pcm;
  std::size_t start;                 // where the sound begins
  std::optional<std::size_t> bytes;  // how much of it there is; none where a recorder did not know yet
};

// Returns the header of a file that begins with `data`, nothing where more of it is needed.
// Throws Failure (environment) for sound that is not read; call it only with what begins with "RIFF".
std::optional<Wav> wav_header(const std::uint8_t* data, std::size_t size);

// Decodes `count` samples.
void decode(const Pcm& pcm, const std::uint8_t* data, std::size_t count, float* out);
