#include "samples.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "failure.h"
#include "inputs.h"
#include "session.h"

namespace {

constexpr std::size_t kChunk = std::size_t{1} << 16;
constexpr std::size_t kLineLimit = std::size_t{1} << 20;

// Samples of all channels as they come, in order; a bad line of CSV is told and left out.
class Samples {
 public:
  Samples(int file, const std::string& name, std::size_t channels, bool csv, Session& session)
      : file_(file), name_(name), channels_(channels), csv_(csv), session_(session) {}

  // Appends what has arrived to `out`, channels interleaved; false at the end of the stream.
  bool read(std::vector<float>& out) {
    const std::size_t kept = pending_.size();
    pending_.resize(kept + kChunk);
    ssize_t got = -1;
    do got = ::read(file_, pending_.data() + kept, kChunk); while (got < 0 && errno == EINTR);
    if (got < 0) throw Failure(kEnvironment, name_ + " cannot be read: " + std::strerror(errno));
    pending_.resize(kept + static_cast<std::size_t>(got));
    if (csv_) lines(out, got == 0); else floats(out, got == 0);
    return got > 0;
  }

 private:
  void floats(std::vector<float>& out, bool end) {
    const std::size_t each = channels_ * sizeof(float), whole = pending_.size() / each * each, at = out.size();
    out.resize(at + whole / sizeof(float));
    if (whole > 0) std::memcpy(&out[at], pending_.data(), whole);
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(whole));
    if (end && !pending_.empty()) {
      session_.report(name_, Failure(kEnvironment, "the stream ended after " + std::to_string(pending_.size()) + " of " +
                                                       std::to_string(each) + " bytes of a sample"));
    }
  }

  void lines(std::vector<float>& out, bool end) {
    std::size_t start = 0;
    for (std::size_t at = 0; at < pending_.size(); ++at) {
      if (pending_[at] != '\n') continue;
      line(std::string(pending_.begin() + static_cast<std::ptrdiff_t>(start), pending_.begin() + static_cast<std::ptrdiff_t>(at)), out);
      start = at + 1;
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(start));
    if (end && !pending_.empty()) line(std::string(pending_.begin(), pending_.end()), out);
    if (pending_.size() > kLineLimit) throw Failure(kEnvironment, name_ + ": line " + std::to_string(number_ + 1) + " is longer than 1 MiB: is this CSV?");
  }

  // One number a channel, separated by commas, semicolons or blanks; the first line may be a header.
  void line(const std::string& text, std::vector<float>& out) {
    ++number_;
    std::vector<float> row;
    const char* at = text.c_str();
    for (;;) {
      at += std::strspn(at, " \t\r,;");
      if (*at == '\0') break;
      char* next = nullptr;
      const float value = std::strtof(at, &next);
      if (next == at || std::strchr(" \t\r,;", *next) == nullptr) return bad("holds " + shortened(at) + ", which is no number");
      row.push_back(value);
      at = next;
    }
    if (row.empty()) return;
    if (row.size() != channels_) return bad("holds " + std::to_string(row.size()) + " numbers, not " + std::to_string(channels_));
    out.insert(out.end(), row.begin(), row.end());
  }

  void bad(const std::string& why) {
    if (number_ > 1) session_.report(name_ + " line " + std::to_string(number_), Failure(kEnvironment, "the line " + why + "; it is left out"));
  }

  static std::string shortened(const char* text) {
    std::string word(text, std::min<std::size_t>(std::strcspn(text, ",;\r"), 24));
    for (char& c : word) if (static_cast<unsigned char>(c) < 32 || static_cast<unsigned char>(c) > 126) c = '?';
    return "'" + word + "'";
  }

  int file_;
  std::string name_;
  std::size_t channels_;
  bool csv_;
  Session& session_;
  std::vector<std::uint8_t> pending_;
  std::size_t number_ = 0;
};

void follow(const Bundle& bundle, int file, const std::string& name, bool csv, Session& session) {
  const TensorSpec& spec = bundle.inputs.front();
  const std::size_t channels = spec.shape.size() == 3 ? static_cast<std::size_t>(spec.shape[1]) : 1;
  const std::size_t length = elements(spec.shape) / channels, hop = spec.stream->hop;
  Samples stream(file, name, channels, csv, session);
  std::vector<float> samples;
  std::size_t index = 0;
  for (bool more = true; more;) {
    more = stream.read(samples);
    std::size_t start = 0;
    for (; samples.size() / channels >= start + length; start += hop, ++index) {
      const std::string source = name + " window " + std::to_string(index);
      const double seconds = static_cast<double>(index * hop + length) / spec.stream->rate;
      try {
        session.infer(source, {window_tensor(spec, samples, channels, start)}, seconds);
      } catch (const Failure& failure) {
        session.report(source, failure);
      }
    }
    samples.erase(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(start * channels));
  }
  if (index == 0) session.report(name, Failure(kEnvironment, "the stream ended before its first window of " + std::to_string(length) + " samples"));
}

bool named_csv(const std::string& path) {
  return path.size() > 4 && (path.compare(path.size() - 4, 4, ".csv") == 0 || path.compare(path.size() - 4, 4, ".CSV") == 0);
}

}  // namespace

int run_samples(const Bundle& bundle, const Options& options) {
  Session session(bundle, options);
  follow(bundle, STDIN_FILENO, "stream", options.csv, session);
  return session.exit_code();
}

int run_recordings(const Bundle& bundle, const Options& options) {
  int exit_code = kOk;
  for (const std::string& path : options.paths) {
    Session session(bundle, options);  // an alarm of one recording says nothing of the next
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
      session.report(path, Failure(kEnvironment, path + " cannot be opened: " + std::strerror(errno)));
    } else {
      try {
        follow(bundle, file, path, options.csv || named_csv(path), session);
      } catch (const Failure& failure) {
        session.report(path, failure);
      }
      close(file);
    }
    if (session.exit_code() != kOk) exit_code = exit_code == kOk ? session.exit_code() : std::min(exit_code, session.exit_code());
  }
  return exit_code;
}
