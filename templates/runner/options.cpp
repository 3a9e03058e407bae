#include "options.h"

#include <cstdlib>
#include <set>

#include "failure.h"
#include "files.h"

const char kUsageText[] =
    "usage: edgec-run MODE [OPTIONS]\n"
    "  --info                 what the bundle holds and what the runtime has, as one JSON object\n"
    "  --run PATH...          one JSON line per inference: pictures, folders of them, - for paths on stdin, raw .bin tensors,\n"
    "                         or per window of recordings: .csv, raw float32, of sound .wav, raw 16-bit .pcm\n"
    "  --stream               raw RGB24 frames, raw tensors or samples on stdin, one JSON line for each frame or window\n"
    "  --bench                latency percentiles as one JSON object\n"
    "  --self-test            golden vectors, bench and the budgets that need this device, as one JSON object\n"
    "  --profile FILE         write an ETDump of one inference\n"
    "  --preprocess PATH...   write the pixels that the model is fed for pictures (RGB24) to stdout\n"
    "options: --bundle DIR --threads N --samples N --warmup N --no-bench --mark --top K --frame WxH|ppm\n"
    "         --passes N (of the whole pipeline), --after SECONDS (of load, then measured; may be given several times)\n"
    "         --sustained (measure budgets after any load, not only after 10 s at most)\n"
    "         --csv (samples come as lines of numbers) --events (print alarms and keywords only)\n"
    "         --shape NAME=1x3x4 --raw-output FILE --masks FOLDER --evidence device|host|emulated --bundle-digest HEX\n";

namespace {

[[noreturn]] void refuse(const std::string& why) { throw Failure(kUsage, why + "\n" + kUsageText); }

int whole(const std::string& text, int least, int most, const std::string& option) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool digits = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || *end != '\0' || value < least || value > most) {
    refuse(option + " takes a whole number from " + std::to_string(least) + " to " + std::to_string(most) + ", not " + text);
  }
  return static_cast<int>(value);
}

double seconds(const std::string& text, const std::string& option) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value > 0 && value <= 1e7)) refuse(option + " takes seconds, up to 10000000, not " + text);
  return value;
}

std::string folder_of(const std::string& path) {
  if (!is_folder(path)) refuse("--masks takes a folder that is there, not " + path);
  return path;
}

Shape by_x(const std::string& text, const std::string& option) {
  Shape sizes;
  std::size_t start = 0;
  for (std::size_t end = 0; end != std::string::npos; start = end + 1) {
    end = text.find('x', start);
    sizes.push_back(whole(text.substr(start, end == std::string::npos ? end : end - start), 1, 1 << 20, option));
  }
  return sizes;
}

class Words {
 public:
  Words(int count, char** words) : words_(words + 1, words + count) {}

  bool more() const { return at_ < words_.size(); }
  const std::string& peek() const { return words_[at_]; }
  std::string next() { return words_[at_++]; }
  std::string argument(const std::string& option) {
    if (!more()) refuse(option + " takes a value");
    return next();
  }

 private:
  std::vector<std::string> words_;
  std::size_t at_ = 0;
};

void take_paths(Words& words, Options& options, const std::string& mode) {
  bool plain = false;  // after --, a path may start with dashes
  while (words.more() && (plain || words.peek().compare(0, 2, "--") != 0 || words.peek() == "--")) {
    const std::string word = words.next();
    if (word == "--" && !plain) plain = true; else options.paths.push_back(word);
  }
  if (options.paths.empty()) refuse(mode + " takes at least one path");
}

bool take_mode(const std::string& word, Words& words, Options& options) {
  static const std::map<std::string, Mode> kModes = {
      {"--info", Mode::kInfo},       {"--run", Mode::kRun},           {"--stream", Mode::kStream},
      {"--bench", Mode::kBench},     {"--self-test", Mode::kSelfTest}, {"--profile", Mode::kProfile},
      {"--preprocess", Mode::kPreprocess}, {"--help", Mode::kHelp}};
  const auto found = kModes.find(word);
  if (found == kModes.end()) return false;
  if (options.mode != Mode::kHelp) refuse("only one mode can be asked for");
  options.mode = found->second;
  if (options.mode == Mode::kProfile) options.paths = {words.argument(word)};
  if (options.mode == Mode::kRun || options.mode == Mode::kPreprocess) take_paths(words, options, word);
  return true;
}

void take_frame(const std::string& text, Options& options) {
  options.ppm = text == "ppm";
  if (options.ppm) return;
  const Shape size = by_x(text, "--frame");
  if (size.size() != 2 || size[0] > 65535 || size[1] > 65535) refuse("--frame takes WIDTHxHEIGHT or ppm, not " + text);
  options.frame_width = size[0];
  options.frame_height = size[1];
}

void take_shape(const std::string& text, Options& options) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) refuse("--shape takes NAME=1x3x4, not " + text);
  options.shapes[text.substr(0, equals)] = by_x(text.substr(equals + 1), "--shape");
}

void take_option(const std::string& word, Words& words, Options& options) {
  if (word == "--no-bench") { options.bench = false; return; }
  if (word == "--sustained") { options.sustained = true; return; }
  if (word == "--mark") { options.mark = true; return; }
  if (word == "--csv") { options.csv = true; return; }
  if (word == "--events") { options.events = true; return; }
  static const std::set<std::string> kValued = {"--bundle", "--threads", "--samples", "--warmup", "--passes", "--after", "--top", "--frame",
                                                "--shape", "--raw-output", "--masks", "--evidence", "--bundle-digest"};
  if (kValued.count(word) == 0) refuse("unknown option " + word);
  const std::string value = words.argument(word);
  if (word == "--bundle") options.bundle = value;
  if (word == "--threads") options.threads = whole(value, 1, 256, word);
  if (word == "--samples") options.samples = whole(value, 1, 10000000, word);
  if (word == "--passes") options.passes = whole(value, 0, 10000000, word);
  if (word == "--after") options.afters.push_back(seconds(value, word));
  if (word == "--warmup") options.warmup = whole(value, 0, 1000000, word);
  if (word == "--top") options.top = whole(value, 1, 1000000, word);
  if (word == "--frame") take_frame(value, options);
  if (word == "--shape") take_shape(value, options);
  if (word == "--masks") options.masks = folder_of(value);
  if (word == "--raw-output") options.raw_output = value;
  if (word == "--evidence") options.evidence = value;
  if (word == "--bundle-digest") options.bundle_digest = value;
}

}  // namespace

Options parse_options(int count, char** words) {
  Options options;
  Words rest(count, words);
  while (rest.more()) {
    const std::string word = rest.next();
    if (word == "--help") return Options{};
    if (!take_mode(word, rest, options)) take_option(word, rest, options);
  }
  if (options.mode == Mode::kHelp) refuse("no mode was asked for");
  if (options.evidence != "device" && options.evidence != "host" && options.evidence != "emulated") {
    refuse("--evidence takes device, host or emulated, not " + options.evidence);
  }
  return options;
}
