// What stb_image lets pass of a damaged JPEG file, or breaks on, is looked for in its segments before it is decoded.
#include <algorithm>

#include "failure.h"
#include "jpeg.h"

namespace {

// One colour component of the frame; it is decoded once a scan has held the first of its coefficients.
struct JpegComponent {
  int id;
  std::size_t across, down;
  bool decoded;
};

std::size_t rounded_up(std::size_t size, std::size_t unit) { return (size + unit - 1) / unit; }

bool is_restart(int marker) { return marker >= 0xD0 && marker <= 0xD7; }

// Whether the Huffman tables of one DHT segment hold at most 256 codes each and fill the segment: stb_image before 2.28
// writes past its tables when a file announces more codes than there are bytes.
bool whole_tables(const std::uint8_t* at, std::size_t size) {
  while (size >= 17) {
    std::size_t codes = 0;
    for (int i = 1; i <= 16; ++i) codes += at[i];
    if (codes > 256 || size < 17 + codes) return false;
    at += 17 + codes;
    size -= 17 + codes;
  }
  return size == 0;
}

class JpegSegments {
 public:
  explicit JpegSegments(const Bytes& file) : at_(file.data() + 2), end_(file.data() + file.size()) {}

  // Whether every segment is whole, each scan has the restart markers that it announces, and each component was in a scan.
  bool whole() {
    while (end_ - at_ >= 2) {
      const int marker = at_[0] == 0xFF ? at_[1] : 0;
      if (marker == 0x00 || marker == 0xFF || is_restart(marker)) {
        if (is_restart(marker)) ++restarts_;
        at_ += at_[0] == 0xFF && marker == 0x00 ? 2 : 1;
        continue;
      }
      if (marker == 0xD9) return scan_ended() && decoded();
      if (end_ - at_ < 4) return false;
      const std::ptrdiff_t length = at_[2] * 256 + at_[3];
      if (length < 2 || end_ - at_ < 2 + length || !segment(marker, at_ + 4, static_cast<std::size_t>(length) - 2)) return false;
      at_ += 2 + length;
    }
    return false;
  }

 private:
  bool segment(int marker, const std::uint8_t* body, std::size_t size) {
    switch (marker) {
      case 0xC0: case 0xC1: case 0xC2: return frame(body, size);
      case 0xC4: return whole_tables(body, size);
      case 0xDA: return scan_ended() && scan(body, size);
      case 0xDD: return interval(body, size);
      default: return true;
    }
  }

  bool interval(const std::uint8_t* body, std::size_t size) {
    if (size < 2) return false;
    interval_ = static_cast<std::size_t>(body[0] * 256 + body[1]);
    return true;
  }

  bool frame(const std::uint8_t* body, std::size_t size) {
    if (size < 6 || size < 6 + std::size_t{3} * body[5]) return false;
    height_ = static_cast<std::size_t>(body[1] * 256 + body[2]);
    width_ = static_cast<std::size_t>(body[3] * 256 + body[4]);
    for (const std::uint8_t* at = body + 6; at < body + 6 + 3 * body[5]; at += 3) {
      components_.push_back({at[0], std::size_t{at[1]} >> 4, std::size_t{at[1]} & 15, false});
      across_ = std::max(across_, components_.back().across);
      down_ = std::max(down_, components_.back().down);
    }
    return true;
  }

  bool scan(const std::uint8_t* body, std::size_t size) {
    const std::size_t count = size > 0 ? body[0] : 0;
    if (count == 0 || size < 4 + 2 * count) return false;
    const bool first = body[1 + 2 * count] == 0 && body[3 + 2 * count] >> 4 == 0;  // from the first coefficient, no refinement
    JpegComponent* found = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
      found = component(body[1 + 2 * i]);
      if (found == nullptr) return false;
      if (first) found->decoded = true;
    }
    restarts_ = 0;
    expected_ = interval_ == 0 ? 0 : (units(count == 1 ? found : nullptr) - 1) / interval_;
    return true;
  }

  // stb_image takes the first of those that share an id.
  JpegComponent* component(int id) {
    for (JpegComponent& one : components_) {
      if (one.id == id) return &one;
    }
    return nullptr;
  }

  // The units that restart intervals count: blocks of a scan of one component, else all components' blocks of one place.
  std::size_t units(const JpegComponent* alone) const {
    const std::size_t width = alone == nullptr ? width_ : rounded_up(width_ * alone->across, across_);
    const std::size_t height = alone == nullptr ? height_ : rounded_up(height_ * alone->down, down_);
    const std::size_t across = alone == nullptr ? 8 * across_ : 8, down = alone == nullptr ? 8 * down_ : 8;
    return std::max<std::size_t>(rounded_up(width, across) * rounded_up(height, down), 1);
  }

  // A scan cut short between two of its restart markers would leave a part of the picture undecoded.
  bool scan_ended() const { return restarts_ >= expected_; }

  bool decoded() const {
    return !components_.empty() && std::all_of(components_.begin(), components_.end(), [](const JpegComponent& one) { return one.decoded; });
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  std::vector<JpegComponent> components_;
  std::size_t width_ = 0, height_ = 0;
  std::size_t across_ = 1, down_ = 1;  // the largest sampling factors
  std::size_t interval_ = 0, restarts_ = 0, expected_ = 0;
};

}  // namespace

void check_jpeg(const Bytes& file, const std::string& name) {
  if (!JpegSegments(file).whole()) throw Failure(kEnvironment, name + ": the JPEG file is damaged or truncated");
}
