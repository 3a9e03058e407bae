#include "sustained.h"

#include <algorithm>
#include <utility>

#include "clock.h"

namespace {

constexpr double kLongestWindow = 60;
constexpr std::size_t kMostKept = std::size_t{1} << 20;  // of one window: a load runs for hours in memory that stays

// A pass, and when it ended, in seconds of load.
struct Loaded {
  double ended;
  Pass pass;
};

class Load {
 public:
  explicit Load(Pipeline& pipeline) : pipeline_(pipeline), start_(now_seconds()) {}

  double elapsed() const { return now_seconds() - start_; }
  Loaded next() {
    const Pass pass = pipeline_.run();
    return {elapsed(), pass};
  }

 private:
  Pipeline& pipeline_;
  double start_;
};

double window_of(double after) { return std::min(after / 10, kLongestWindow); }

// The median of the passes that ended within `window`; the first one's duration where none did.
double median_at_start(const std::vector<Loaded>& first, double window) {
  std::vector<double> seconds;
  for (const Loaded& one : first) {
    if (seconds.empty() || one.ended <= window) seconds.push_back(one.pass.total());
  }
  return times_of(std::move(seconds)).percentile(0.50);
}

}  // namespace

std::vector<Sustained> run_sustained(Pipeline& pipeline, std::vector<double> afters, int samples) {
  samples = std::min(samples, static_cast<int>(kMostKept));
  std::sort(afters.begin(), afters.end());
  afters.erase(std::unique(afters.begin(), afters.end()), afters.end());
  std::vector<Sustained> found;
  std::vector<Loaded> first;
  Load load(pipeline);
  for (const double after : afters) {
    const double window = window_of(after), widest = window_of(afters.back());
    while (load.elapsed() < after) {
      const Loaded one = load.next();
      if (first.empty() || (one.ended <= widest && first.size() < kMostKept)) first.push_back(one);
    }
    std::vector<double> execute, total;
    const double start = load.elapsed();
    while (load.elapsed() < start + window || static_cast<int>(total.size()) < samples) {
      const Loaded one = load.next();
      if (first.empty()) first.push_back(one);
      if (total.size() == kMostKept) continue;
      execute.push_back(one.pass.execute);
      total.push_back(one.pass.total());
    }
    Sustained result{after, load.elapsed() - start, times_of(std::move(execute)), times_of(std::move(total)), 0};
    result.throttling = result.total.percentile(0.50) / median_at_start(first, window);
    found.push_back(std::move(result));
  }
  return found;
}

void write_sustained(JsonWriter& json, const std::vector<Sustained>& found) {
  json.open('[');
  for (const Sustained& one : found) {
    json.open('{').field("after_s", one.after).field("window_s", one.window);
    json.field("samples", static_cast<std::int64_t>(one.total.count())).field("throttling", one.throttling);
    write_times(json, "execute", one.execute);
    write_times(json, "total", one.total);
    json.field("execute_hz", one.execute.rate()).field("throughput_hz", one.total.rate()).close('}');
  }
  json.close(']');
}
