// stb_image reads markers and Huffman codes; the inverse DCT, the upsampling of colour and the colour conversion
// are libjpeg's (jidctint.c "islow", jdsample.c "fancy", jdcolor.c), because stb_image's round differently.
#include "jpeg.h"

#include <algorithm>
#include <memory>

#include "failure.h"
#include "stb.h"

namespace {

constexpr int kConstBits = 13;
constexpr int kPassBits = 2;

// Two's complement that wraps around: a damaged file can hold coefficients that overflow 32 bits.
using Word = std::uint32_t;

constexpr Word constant(double x) { return static_cast<Word>(x * (1 << kConstBits) + 0.5); }

// One 8-point inverse DCT: Loeffler, Ligtenberg and Moschytz with 12 multiplications, `shift` bits dropped at the end.
void idct_line(const Word* in, std::int32_t* out, int shift) {
  const Word z1 = (in[2] + in[6]) * constant(0.541196100);
  const Word even2 = z1 - in[6] * constant(1.847759065), even3 = z1 + in[2] * constant(0.765366865);
  const Word even0 = (in[0] + in[4]) << kConstBits, even1 = (in[0] - in[4]) << kConstBits;
  const Word even[4] = {even0 + even3, even1 + even2, even1 - even2, even0 - even3};

  const Word s1 = in[7] + in[1], s2 = in[5] + in[3], s3 = in[7] + in[3], s4 = in[5] + in[1];
  const Word s5 = (s3 + s4) * constant(1.175875602);
  const Word m1 = 0 - s1 * constant(0.899976223), m2 = 0 - s2 * constant(2.562915447);
  const Word m3 = s5 - s3 * constant(1.961570560), m4 = s5 - s4 * constant(0.390180644);
  const Word odd[4] = {
      in[1] * constant(1.501321110) + m1 + m4,
      in[3] * constant(3.072711026) + m2 + m3,
      in[5] * constant(2.053119869) + m2 + m4,
      in[7] * constant(0.298631336) + m1 + m3,
  };
  const Word half = Word{1} << (shift - 1);
  for (int i = 0; i < 4; ++i) {
    out[i] = static_cast<std::int32_t>(even[i] + odd[i] + half) >> shift;
    out[7 - i] = static_cast<std::int32_t>(even[i] - odd[i] + half) >> shift;
  }
}

// stb_image's hook: dequantized coefficients of one block, row by row, to 8 x 8 bytes.
void idct(stbi_uc* out, int stride, short data[64]) {
  Word work[64], line[8];
  std::int32_t result[8];
  for (int column = 0; column < 8; ++column) {
    for (int i = 0; i < 8; ++i) line[i] = static_cast<Word>(data[8 * i + column]);
    idct_line(line, result, kConstBits - kPassBits);
    for (int i = 0; i < 8; ++i) work[8 * i + column] = static_cast<Word>(result[i]);
  }
  for (int row = 0; row < 8; ++row, out += stride) {
    idct_line(work + 8 * row, result, kConstBits + kPassBits + 3);
    for (int i = 0; i < 8; ++i) out[i] = static_cast<stbi_uc>(std::clamp(result[i] + 128, 0, 255));
  }
}

// One colour component as decoded: `width` x `height` samples that matter, rows `stride` apart.
struct Plane {
  const stbi_uc* data;
  int width, height, stride;
  int across, down;  // how many picture columns and rows one sample covers

  const stbi_uc* row(int y) const { return data + static_cast<std::ptrdiff_t>(std::clamp(y, 0, height - 1)) * stride; }
};

// Doubles a line of `width` sums horizontally, nearest sample 3 parts and the other 1; libjpeg rounds the two halves
// of a pair differently (`left` and `right`) and scales by 2^shift.
template <typename At>
void double_line(At at, int width, int shift, int left, int right, stbi_uc* out) {
  for (int x = 0; x < width; ++x) {
    const int here = at(x), before = x > 0 ? at(x - 1) : here, after = x + 1 < width ? at(x + 1) : here;
    out[2 * x] = static_cast<stbi_uc>((3 * here + before + left) >> shift);
    out[2 * x + 1] = static_cast<stbi_uc>((3 * here + after + right) >> shift);
  }
}

// Writes line `y` of the picture for one component; `out` has room for two more than the picture's width.
void upsample(const Plane& plane, int y, int width, stbi_uc* out) {
  const int v = plane.down, source = y / v;
  const stbi_uc* near = plane.row(source);
  // libjpeg smooths only by factors of two, and not lines of one or two samples.
  const bool smooth_across = plane.across == 2 && v <= 2 && plane.width > 2;
  const bool smooth_down = v == 2 && (smooth_across || plane.across == 1);
  const bool lower = y % v == 1;
  const stbi_uc* far = smooth_down ? plane.row(lower ? source + 1 : source - 1) : near;
  if (smooth_across && smooth_down) {
    double_line([&](int x) { return 3 * near[x] + far[x]; }, plane.width, 4, 8, 7, out);
  } else if (smooth_across) {
    double_line([&](int x) { return int{near[x]}; }, plane.width, 2, 1, 2, out);
  } else if (smooth_down) {
    for (int x = 0; x < width; ++x) out[x] = static_cast<stbi_uc>((3 * near[x] + far[x] + (lower ? 2 : 1)) >> 2);
  } else {
    for (int x = 0; x < width; ++x) out[x] = near[x / plane.across];
  }
}

stbi_uc clamp8(int x) { return static_cast<stbi_uc>(std::clamp(x, 0, 255)); }

// jdcolor.c: 16 fractional bits, red and blue rounded each for itself, green once.
void to_rgb(int y, int cb, int cr, stbi_uc* out) {
  constexpr int kHalf = 1 << 15;
  const auto fixed = [](double x) { return static_cast<int>(x * 65536 + 0.5); };
  cb -= 128;
  cr -= 128;
  out[0] = clamp8(y + ((fixed(1.40200) * cr + kHalf) >> 16));
  out[1] = clamp8(y + ((-fixed(0.34414) * cb - fixed(0.71414) * cr + kHalf) >> 16));
  out[2] = clamp8(y + ((fixed(1.77200) * cb + kHalf) >> 16));
}

// Pillow takes four-component files as inverted (Adobe) CMYK, and multiplies by the paper that black leaves.
void from_cmyk(const stbi_uc inverted[3], int key, stbi_uc* out) {
  for (int i = 0; i < 3; ++i) {
    const int product = (255 - inverted[i]) * key + 128;
    out[i] = clamp8(key - ((product + (product >> 8)) >> 8));
  }
}

enum class Colour { kGrey, kYcc, kRgb, kCmyk, kYcck };

// jdapimin.c, default_decompress_parms.
Colour colour_of(const stbi__jpeg& jpeg) {
  switch (jpeg.s->img_n) {
    case 1: return Colour::kGrey;
    case 4: return jpeg.app14_color_transform == 2 ? Colour::kYcck : Colour::kCmyk;
    default: break;
  }
  if (jpeg.jfif) return Colour::kYcc;
  if (jpeg.app14_color_transform >= 0) return jpeg.app14_color_transform == 0 ? Colour::kRgb : Colour::kYcc;
  return jpeg.rgb == 3 ? Colour::kRgb : Colour::kYcc;
}

void convert(Colour colour, const stbi_uc* sample, stbi_uc* out) {
  stbi_uc inverted[3];
  switch (colour) {
    case Colour::kGrey: out[0] = out[1] = out[2] = sample[0]; break;
    case Colour::kYcc: to_rgb(sample[0], sample[1], sample[2], out); break;
    case Colour::kRgb: std::copy(sample, sample + 3, out); break;
    case Colour::kCmyk: from_cmyk(sample, sample[3], out); break;
    case Colour::kYcck:
      to_rgb(sample[0], sample[1], sample[2], inverted);
      for (stbi_uc& value : inverted) value = static_cast<stbi_uc>(255 - value);
      from_cmyk(inverted, sample[3], out);
  }
}

std::vector<Plane> planes_of(const stbi__jpeg& jpeg, const std::string& name) {
  std::vector<Plane> planes;
  for (int i = 0; i < jpeg.s->img_n; ++i) {
    const auto& part = jpeg.img_comp[i];
    if (jpeg.img_h_max % part.h != 0 || jpeg.img_v_max % part.v != 0) {
      throw Failure(kEnvironment, name + ": colour is sampled at a fraction that JPEG readers do not take");
    }
    planes.push_back({part.data, part.x, part.y, part.w2, jpeg.img_h_max / part.h, jpeg.img_v_max / part.v});
  }
  return planes;
}

Picture assemble(const stbi__jpeg& jpeg, const std::string& name) {
  const int width = static_cast<int>(jpeg.s->img_x), height = static_cast<int>(jpeg.s->img_y);
  const std::vector<Plane> planes = planes_of(jpeg, name);
  const Colour colour = colour_of(jpeg);
  const std::size_t row = static_cast<std::size_t>(width);
  Picture picture{width, height, Bytes(row * static_cast<std::size_t>(height) * 3)};
  std::vector<Bytes> lines(planes.size(), Bytes(row + 2));
  stbi_uc* out = picture.rgb.data();
  for (int y = 0; y < height; ++y) {
    for (std::size_t i = 0; i < planes.size(); ++i) upsample(planes[i], y, width, lines[i].data());
    for (std::size_t x = 0; x < row; ++x, out += 3) {
      stbi_uc sample[4] = {};
      for (std::size_t i = 0; i < planes.size(); ++i) sample[i] = lines[i][x];
      convert(colour, sample, out);
    }
  }
  return picture;
}

}  // namespace

Picture decode_jpeg(const Bytes& file, const std::string& name) {
  stbi__context context;
  stbi__start_mem(&context, file.data(), static_cast<int>(file.size()));
  const auto jpeg = std::make_unique<stbi__jpeg>();
  jpeg->s = &context;
  stbi__setup_jpeg(jpeg.get());
  jpeg->idct_block_kernel = idct;
  context.img_n = 0;  // so that cleaning up is safe before a header was read
  const std::unique_ptr<stbi__jpeg, decltype(&stbi__cleanup_jpeg)> cleanup(jpeg.get(), &stbi__cleanup_jpeg);
  if (stbi__decode_jpeg_image(jpeg.get()) == 0) {
    throw Failure(kEnvironment, name + ": " + stb_refusal("the JPEG file"));
  }
  return assemble(*jpeg, name);
}
