#include "bench.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "clock.h"
#include "golden.h"

namespace {

// The high-water mark of this program alone: getrusage's outlives exec, so it may be a parent's.
std::size_t peak_rss_bytes() {
  std::size_t kilobytes = 0;
  if (FILE* status = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, status) != nullptr) {
      if (std::strncmp(line, "VmHWM:", 6) == 0) kilobytes = static_cast<std::size_t>(std::strtod(line + 6, nullptr));
    }
    std::fclose(status);
  }
  if (kilobytes == 0) {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    kilobytes = static_cast<std::size_t>(usage.ru_maxrss);
  }
  return kilobytes * 1024;
}

// 0, 1, 2 … 255, 0, 1 …: finite in every type, and what an image holds.
Tensor ramp(const TensorSpec& spec) {
  Tensor tensor{&spec, spec.shape, Bytes(elements(spec.shape) * spec.dtype->size)};
  const bool real = std::strcmp(spec.dtype->name, "float32") == 0;
  for (std::size_t i = 0; real && i < elements(spec.shape); ++i) {
    const auto value = static_cast<float>(i % 256);
    std::memcpy(&tensor.data[4 * i], &value, 4);
  }
  return tensor;
}

constexpr std::pair<const char*, double> kPercentiles[] = {{"p50", 0.50}, {"p90", 0.90}, {"p95", 0.95}, {"p99", 0.99}};

}  // namespace

double Bench::percentile(double share) const {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size()) - 1e-9));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

// Ranks n*p -+ 1.96*sqrt(n*p*(1-p)), rounded outwards: Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.
std::vector<double> Bench::interval(double share) const {
  const auto count = static_cast<double>(sorted.size());
  const double half = 1.959964 * std::sqrt(count * share * (1 - share));
  const double low = std::floor(count * share - half);
  const double high = std::ceil(count * share + half) + 1;
  if (low < 1 || high > count) return {};
  return {sorted[static_cast<std::size_t>(low) - 1], sorted[static_cast<std::size_t>(high) - 1]};
}

std::vector<std::vector<Tensor>> bench_inputs(const Bundle& bundle) {
  std::vector<std::vector<Tensor>> sets;
  for (const GoldenVector& vector : bundle.golden) sets.push_back(golden_inputs(bundle, vector));
  if (!sets.empty()) return sets;
  sets.emplace_back();
  for (const TensorSpec& spec : bundle.inputs) sets.back().push_back(ramp(spec));
  return sets;
}

Bench run_bench(Model& model, const std::vector<std::vector<Tensor>>& inputs, Pace pace, int threads) {
  Bench bench{pace.samples, pace.warmup, threads, {}, 0, model.load_seconds(), 0};
  bench.sorted.reserve(static_cast<std::size_t>(pace.samples));
  for (int i = -pace.warmup; i < pace.samples; ++i) {
    model.bind(inputs[static_cast<std::size_t>(i + pace.warmup) % inputs.size()]);
    const double start = now_seconds();
    if (pace.mark && i >= 0) syscall(SYS_getppid);
    model.run();
    if (pace.mark && i >= 0) syscall(SYS_getppid);
    if (i >= 0) bench.sorted.push_back(now_seconds() - start);
  }
  for (const double latency : bench.sorted) bench.total += latency;
  std::sort(bench.sorted.begin(), bench.sorted.end());
  bench.peak_rss = peak_rss_bytes();
  return bench;
}

void write_bench(JsonWriter& json, const Bench& bench) {
  json.open('{').field("samples", bench.samples).field("warmup", bench.warmup).field("threads", bench.threads);
  json.key("latency_s").open('{').field("min", bench.sorted.front());
  json.field("p50", bench.percentile(0.50)).field("p90", bench.percentile(0.90)).field("p95", bench.percentile(0.95));
  json.field("p99", bench.percentile(0.99)).field("max", bench.sorted.back()).field("mean", bench.mean()).close('}');
  json.key("latency_interval_s").open('{');
  for (const auto& [name, share] : kPercentiles) {
    const std::vector<double> bounds = bench.interval(share);
    if (!bounds.empty()) json.key(name).open('[').value(bounds[0]).value(bounds[1]).close(']');
  }
  json.close('}');
  json.field("throughput_hz", bench.throughput()).field("load_s", bench.load);
  json.field("peak_rss_bytes", static_cast<std::int64_t>(bench.peak_rss)).close('}');
}
