// Pictures: PNG and JPEG bytes to RGB pixels, and RGB pixels to the size that a model takes.
// Equal bit for bit to compiler/edgec/datasets/pixels.py, which uses Pillow; change both or neither.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bundle.h"
#include "files.h"

// Where a point of the fitted picture lies in the source: x * across + left, y * down + upper.
struct Placement {
  double across, down, left, upper;
};

// Rows of RGB, top to bottom, no padding.
struct Picture {
  int width = 0;
  int height = 0;
  Bytes rgb;
};

constexpr std::size_t kPixelLimit = 64000000;
constexpr int kSideLimit = 65535;
constexpr std::size_t kPictureFileLimit = std::size_t{256} << 20;

// Decodes PNG or JPEG: 16 bits keep their high byte, alpha is dropped, EXIF rotation is not applied.
// Throws Failure (environment) for anything else, for damaged files and for more than kPixelLimit pixels.
Picture decode(const Bytes& file, const std::string& name);

// Returns the picture at spec.width x spec.height: `stretch` ignores the aspect ratio, `cover` crops the centre,
// `contain` centres the whole picture on black. Antialiased bilinear, as Pillow's Image.resize(…, BILINEAR).
Picture fit(const Picture& picture, const ImageSpec& spec);

// Returns where `fit` takes the pixels of a picture of that size from.
Placement placement(const PictureSize& source, const ImageSpec& spec);
