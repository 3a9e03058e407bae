#include "samples.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "failure.h"
#include "files.h"
#include "inputs.h"
#include "session.h"
#include "wav.h"

namespace {

constexpr std::size_t kChunk = std::size_t{1} << 16;
constexpr std::size_t kLineLimit = std::size_t{1} << 20;

enum class Coding { kFloat, kCsv, kSound };

// Samples of all channels as they come, in order; a bad line of CSV is told and left out. Sound is a WAV file, or raw
// signed 16-bit samples where it does not begin like one.
class Samples {
 public:
  Samples(int file, const std::string& name, const TensorSpec& spec, Coding coding, Session& session)
      : file_(file), name_(name), spec_(spec), channels_(spec.shape.size() == 3 ? static_cast<std::size_t>(spec.shape[1]) : 1),
        csv_(coding == Coding::kCsv), begun_(coding != Coding::kSound), session_(session) {}

  std::size_t channels() const { return channels_; }

  // Appends what has arrived to `out`, channels interleaved; false at the end of the stream.
  bool read(std::vector<float>& out) {
    const std::size_t kept = pending_.size();
    pending_.resize(kept + kChunk);
    ssize_t got = -1;
    do got = ::read(file_, pending_.data() + kept, kChunk); while (got < 0 && errno == EINTR);
    if (got < 0) throw Failure(kEnvironment, name_ + " cannot be read: " + std::strerror(errno));
    pending_.resize(kept + static_cast<std::size_t>(got));
    if (!begun_) begin(got == 0);
    if (begun_) {
      if (csv_) lines(out, got == 0); else raw(out, got == 0);
    }
    return got > 0 && left_ != std::size_t{0};
  }

 private:
  // Looks at the beginning of sound, once enough of it is there.
  void begin(bool end) {
    const bool riff = pending_.size() >= 4 && std::memcmp(pending_.data(), "RIFF", 4) == 0;
    if (!riff && (pending_.size() >= 4 || end)) {
      pcm_ = {false, 2};
      begun_ = true;
    }
    if (!riff) return;
    const std::optional<Wav> wav = wav_header(pending_.data(), pending_.size());
    if (!wav) {
      if (end) throw Failure(kEnvironment, "it holds no sound: it ends in its WAV header");
      return;
    }
    const std::size_t rate = static_cast<std::size_t>(spec_.stream->rate);
    if (wav->rate != rate || wav->channels != channels_) {
      throw Failure(kEnvironment, "it has " + std::to_string(wav->rate) + " samples a second in " + std::to_string(wav->channels) +
                                      " channels, the model hears " + std::to_string(rate) + " in one: convert it with sox IN -r " +
                                      std::to_string(rate) + " -c 1 OUT");
    }
    pcm_ = wav->pcm;
    left_ = wav->bytes;
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(wav->start));
    begun_ = true;
  }

  void raw(std::vector<float>& out, bool end) {
    const std::size_t each = channels_ * pcm_.bytes, at = out.size();
    const std::size_t whole = std::min(pending_.size(), left_.value_or(pending_.size())) / each * each;
    out.resize(at + whole / pcm_.bytes);
    decode(pcm_, pending_.data(), whole / pcm_.bytes, out.data() + at);
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(whole));
    if (left_) *left_ -= whole;
    if (left_ && *left_ < each) {
      left_ = 0;  // what follows is no sound
      pending_.clear();
    }
    if (end && left_.value_or(0) > 0) {
      session_.report(name_, Failure(kEnvironment, "it is cut short: " + std::to_string(*left_) + " bytes of sound are missing"));
    } else if (end && !pending_.empty()) {
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

  // One number a channel, separated by commas, semicolons or blanks; the first line is a header where it begins with none.
  void line(const std::string& text, std::vector<float>& out) {
    ++number_;
    if (text.find('\0') != std::string::npos) return bad("holds a NUL byte");
    std::vector<float> row;
    const char* at = text.c_str();
    if (number_ == 1 && text.compare(0, 3, "\xEF\xBB\xBF") == 0) at += 3;
    for (;;) {
      at += std::strspn(at, " \t\r,;");
      if (*at == '\0') break;
      char* next = nullptr;
      const float value = std::strtof(at, &next);
      if (next == at || std::strchr(" \t\r,;", *next) == nullptr) {
        if (number_ > 1 || !row.empty()) bad("holds " + shortened(at) + ", which is no number");
        return;
      }
      row.push_back(value);
      at = next;
    }
    if (row.empty()) return;
    if (row.size() != channels_) return bad("holds " + std::to_string(row.size()) + " numbers, not " + std::to_string(channels_));
    out.insert(out.end(), row.begin(), row.end());
  }

  void bad(const std::string& why) {
    session_.report(name_ + " line " + std::to_string(number_), Failure(kEnvironment, "the line " + why + "; it is left out"));
  }

  static std::string shortened(const char* text) {
    std::string word(text, std::min<std::size_t>(std::strcspn(text, ",;\r"), 24));
    for (char& c : word) if (static_cast<unsigned char>(c) < 32 || static_cast<unsigned char>(c) > 126) c = '?';
    return "'" + word + "'";
  }

  int file_;
  std::string name_;
  const TensorSpec& spec_;
  std::size_t channels_;
  bool csv_;
  bool begun_;                       // how samples are written is known
  Pcm pcm_{true, sizeof(float)};
  std::optional<std::size_t> left_;  // bytes of sound to come, where a header says so
  Session& session_;
  std::vector<std::uint8_t> pending_;
  std::size_t number_ = 0;
};

void follow(const Bundle& bundle, int file, const std::string& name, Coding coding, Session& session) {
  const TensorSpec& spec = bundle.inputs.front();
  Samples stream(file, name, spec, coding, session);
  const std::size_t channels = stream.channels(), length = elements(spec.shape) / channels, hop = spec.stream->hop;
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

bool ends_in(const std::string& path, const std::string& lower) {
  std::string end = path.size() > lower.size() ? path.substr(path.size() - lower.size()) : "";
  for (char& c : end) if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return end == lower;
}

// How the samples of a file, or of standard input where it has no name, are written. Throws Failure (environment).
Coding coding_of(const Bundle& bundle, const Options& options, int file, const std::string& path) {
  if (is_folder(path)) throw Failure(kEnvironment, path + " is a folder: name the recordings in it");
  if (options.csv || ends_in(path, ".csv")) return Coding::kCsv;
  if (!bundle.inputs.front().audio || ends_in(path, ".bin")) return Coding::kFloat;
  char start[4] = {};
  const bool wav = !path.empty() && pread(file, start, sizeof start, 0) == 4 && std::memcmp(start, "RIFF", 4) == 0;
  if (path.empty() || wav || ends_in(path, ".raw") || ends_in(path, ".pcm")) return Coding::kSound;
  throw Failure(kEnvironment, path + " is no WAV file; raw 16-bit samples are read from .raw and .pcm files, or standard input");
}

}  // namespace

int run_samples(const Bundle& bundle, const Options& options) {
  Session session(bundle, options);
  try {
    follow(bundle, STDIN_FILENO, "stream", coding_of(bundle, options, STDIN_FILENO, ""), session);
  } catch (const Failure& failure) {
    session.report("stream", failure);
  }
  return session.exit_code();
}

int run_recordings(const Bundle& bundle, const Options& options, const std::vector<std::string>& paths) {
  int exit_code = kOk;
  for (const std::string& path : paths) {
    Session session(bundle, options);  // an alarm of one recording says nothing of the next
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
      session.report(path, Failure(kEnvironment, path + " cannot be opened: " + std::strerror(errno)));
    } else {
      try {
        follow(bundle, file, path, coding_of(bundle, options, file, path), session);
      } catch (const Failure& failure) {
        session.report(path, failure);
      }
      close(file);
    }
    if (session.exit_code() != kOk) exit_code = exit_code == kOk ? session.exit_code() : std::min(exit_code, session.exit_code());
  }
  return exit_code;
}
