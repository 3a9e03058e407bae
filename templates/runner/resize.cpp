// Pillow's 8-bit resampling (src/libImaging/Resample.c): a triangle filter stretched by the scale factor, weights in
// fixed point with 22 bits, a horizontal pass and then a vertical one, each rounded to 8 bits.
#include <algorithm>
#include <cmath>

#include "image.h"

namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;

// Pillow takes the box in single precision; so does this.
struct Box {
  float left, upper, right, lower;
};

// For each output position: the first input position, and the weights of it and those after it.
struct Taps {
  int first;
  std::vector<std::int32_t> weights;
};

std::vector<Taps> taps(int in_size, float in0, float in1, int out_size) {
  const double scale = static_cast<double>(in1 - in0) / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter_scale;  // the triangle's is 1
  const double inverse = 1.0 / filter_scale;
  std::vector<Taps> result(static_cast<std::size_t>(out_size));
  std::vector<double> weights;
  for (int x = 0; x < out_size; ++x) {
    const double center = in0 + (x + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int last = std::min(static_cast<int>(center + support + 0.5), in_size);
    weights.clear();
    double total = 0.0;
    for (int i = 0; i < last - first; ++i) {
      const double distance = std::fabs((i + first - center + 0.5) * inverse);
      weights.push_back(distance < 1.0 ? 1.0 - distance : 0.0);
      total += weights.back();
    }
    Taps& tap = result[static_cast<std::size_t>(x)];
    tap.first = first;
    for (double weight : weights) {
      if (total != 0.0) weight /= total;
      tap.weights.push_back(static_cast<std::int32_t>(0.5 + weight * (1 << kPrecisionBits)));
    }
  }
  return result;
}

std::uint8_t clip(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255)); }

// Sums `tap.weights` over bytes that lie `stride` apart.
std::uint8_t weighed(const Taps& tap, const std::uint8_t* from, std::size_t stride) {
  std::int32_t sum = 1 << (kPrecisionBits - 1);
  for (std::size_t i = 0; i < tap.weights.size(); ++i) sum += from[i * stride] * tap.weights[i];
  return clip(sum);
}

Picture blank(int width, int height) {
  return {width, height, Bytes(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3)};
}

// Only the rows that the vertical pass reads are computed.
Picture horizontal(const Picture& in, const std::vector<Taps>& columns, int first_row, int last_row) {
  Picture out = blank(static_cast<int>(columns.size()), in.height);
  const std::size_t in_row = static_cast<std::size_t>(in.width) * 3, out_row = columns.size() * 3;
  for (int y = first_row; y < last_row; ++y) {
    const std::uint8_t* from = in.rgb.data() + static_cast<std::size_t>(y) * in_row;
    std::uint8_t* to = out.rgb.data() + static_cast<std::size_t>(y) * out_row;
    for (const Taps& tap : columns) {
      for (std::size_t c = 0; c < 3; ++c) *to++ = weighed(tap, from + static_cast<std::size_t>(tap.first) * 3 + c, 3);
    }
  }
  return out;
}

Picture vertical(const Picture& in, const std::vector<Taps>& rows) {
  Picture out = blank(in.width, static_cast<int>(rows.size()));
  const std::size_t row = static_cast<std::size_t>(in.width) * 3;
  std::uint8_t* to = out.rgb.data();
  for (const Taps& tap : rows) {
    const std::uint8_t* from = in.rgb.data() + static_cast<std::size_t>(tap.first) * row;
    for (std::size_t x = 0; x < row; ++x) *to++ = weighed(tap, from + x, row);
  }
  return out;
}

Picture resize(const Picture& picture, int width, int height, const Box& box) {
  const bool across = width != picture.width || box.left != 0 || box.right != static_cast<float>(width);
  const bool down = height != picture.height || box.upper != 0 || box.lower != static_cast<float>(height);
  const std::vector<Taps> rows = taps(picture.height, box.upper, box.lower, height);
  if (!across) return down ? vertical(picture, rows) : picture;
  const int last = rows.back().first + static_cast<int>(rows.back().weights.size());
  const std::vector<Taps> columns = taps(picture.width, box.left, box.right, width);
  Picture narrowed = horizontal(picture, columns, down ? rows.front().first : 0, down ? last : picture.height);
  return down ? vertical(narrowed, rows) : narrowed;
}

Picture whole(const Picture& picture, int width, int height) {
  return resize(picture, width, height, {0, 0, static_cast<float>(picture.width), static_cast<float>(picture.height)});
}

// The centred box with the target's aspect ratio: left, upper, width and height.
struct Crop {
  double left, upper, width, height;
};

Crop crop(const PictureSize& source, const ImageSpec& spec) {
  const auto width = static_cast<std::int64_t>(source.width), height = static_cast<std::int64_t>(source.height);
  const double full_width = source.width, full_height = source.height;
  if (width * spec.height > height * spec.width) {
    const double cropped = static_cast<double>(height * spec.width) / spec.height;
    return {(full_width - cropped) / 2, 0, cropped, full_height};
  }
  const double cropped = static_cast<double>(width * spec.height) / spec.width;
  return {0, (full_height - cropped) / 2, full_width, cropped};
}

Box cover(const PictureSize& source, const ImageSpec& spec) {
  const Crop found = crop(source, spec);
  return {static_cast<float>(found.left), static_cast<float>(found.upper),
          static_cast<float>(std::min(found.left + found.width, static_cast<double>(source.width))),
          static_cast<float>(std::min(found.upper + found.height, static_cast<double>(source.height)))};
}

// The largest size with the picture's aspect ratio, rounded half up, at least 1.
PictureSize inner_size(const PictureSize& source, const ImageSpec& spec) {
  const auto width = static_cast<std::int64_t>(source.width), height = static_cast<std::int64_t>(source.height);
  std::int64_t wide = spec.width, high = spec.height;
  if (width * spec.height >= height * spec.width) {
    high = std::max<std::int64_t>(1, (2 * height * spec.width + width) / (2 * width));
  } else {
    wide = std::max<std::int64_t>(1, (2 * width * spec.height + height) / (2 * height));
  }
  return {static_cast<int>(wide), static_cast<int>(high)};
}

// The whole picture, centred on black.
Picture contain(const Picture& picture, const ImageSpec& spec) {
  const auto [wide, high] = inner_size({picture.width, picture.height}, spec);
  const Picture inner = whole(picture, wide, high);
  Picture canvas = blank(spec.width, spec.height);
  const auto left = static_cast<std::size_t>((spec.width - wide) / 2), upper = static_cast<std::size_t>((spec.height - high) / 2);
  const auto row = static_cast<std::size_t>(wide) * 3;
  for (std::size_t y = 0; y < static_cast<std::size_t>(high); ++y) {
    const std::uint8_t* from = inner.rgb.data() + y * row;
    std::copy(from, from + row, canvas.rgb.data() + ((upper + y) * static_cast<std::size_t>(spec.width) + left) * 3);
  }
  return canvas;
}

}  // namespace

Picture fit(const Picture& picture, const ImageSpec& spec) {
  switch (spec.fit) {
    case Fit::kCover: return resize(picture, spec.width, spec.height, cover({picture.width, picture.height}, spec));
    case Fit::kContain: return contain(picture, spec);
    default: return whole(picture, spec.width, spec.height);
  }
}

Placement placement(const PictureSize& source, const ImageSpec& spec) {
  const double width = source.width, height = source.height;
  if (spec.fit == Fit::kCover) {
    const Crop found = crop(source, spec);
    return {found.width / spec.width, found.height / spec.height, found.left, found.upper};
  }
  if (spec.fit == Fit::kStretch) return {width / spec.width, height / spec.height, 0, 0};
  const PictureSize inner = inner_size(source, spec);
  const double across = width / inner.width, down = height / inner.height;
  return {across, down, -((spec.width - inner.width) / 2) * across, -((spec.height - inner.height) / 2) * down};
}
