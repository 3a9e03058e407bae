#include "ppm.h"

#include "stdin.h"

namespace {

constexpr std::size_t kWordLimit = 9;

// The next word of a header and the one blank after it; comments are skipped. "" at the end of the input.
std::string header_word() {
  std::string word;
  Bytes one(1);
  for (bool comment = false; word.size() <= kWordLimit && read_stdin(one) == 1;) {
    const char c = static_cast<char>(one[0]);
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (comment) {
      comment = c != '\n';
    } else if (blank && !word.empty()) {
      return word;
    } else if (c == '#') {
      comment = true;
    } else if (!blank) {
      word += c;
    }
  }
  return word;
}

// 0 for what is no number.
int number(const std::string& word) {
  const bool digits = !word.empty() && word.size() <= kWordLimit && word.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::stoi(word) : 0;
}

}  // namespace

bool read_ppm_header(Picture& frame, const std::string& source) {
  const std::string kind = header_word();
  if (kind.empty()) return false;
  frame.width = kind == "P6" ? number(header_word()) : 0;
  frame.height = frame.width > 0 ? number(header_word()) : 0;
  if (frame.height == 0 || header_word() != "255") {
    throw Failure(kEnvironment, source + " is no binary PPM picture (P6) of 8 bits a channel");
  }
  return true;
}
