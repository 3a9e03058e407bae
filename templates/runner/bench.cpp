#include "bench.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

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

}  // namespace

std::vector<std::vector<Tensor>> bench_inputs(const Bundle& bundle) {
  std::vector<std::vector<Tensor>> sets;
  for (const GoldenVector& vector : bundle.golden) sets.push_back(golden_inputs(bundle, vector));
  if (!sets.empty()) return sets;
  sets.emplace_back();
  for (const TensorSpec& spec : bundle.inputs) sets.back().push_back(ramp(spec));
  return sets;
}

Bench run_bench(Model& model, const std::vector<std::vector<Tensor>>& inputs, Pace pace, int threads) {
  std::vector<double> seconds;
  seconds.reserve(static_cast<std::size_t>(pace.samples));
  for (int i = -pace.warmup; i < pace.samples; ++i) {
    model.bind(inputs[static_cast<std::size_t>(i + pace.warmup) % inputs.size()]);
    const double start = now_seconds();
    if (pace.mark && i >= 0) syscall(SYS_getppid);
    model.run();
    if (pace.mark && i >= 0) syscall(SYS_getppid);
    if (i >= 0) seconds.push_back(now_seconds() - start);
  }
  return {pace.warmup, threads, times_of(std::move(seconds)), model.load_seconds(), peak_rss_bytes(), std::nullopt, {}};
}

void run_whole(Bench& bench, const Bundle& bundle, Model& model, const Whole& whole, int top) {
  if (whole.passes == 0) return;
  Pipeline pipeline(bundle, model, top);
  bench.pipeline = run_pipeline(pipeline, whole.passes, bench.warmup);
  bench.sustained = run_sustained(pipeline, whole.afters, whole.passes);
  bench.peak_rss = peak_rss_bytes();
}

void write_bench(JsonWriter& json, const Bench& bench) {
  json.open('{').field("samples", static_cast<std::int64_t>(bench.latency.count())).field("warmup", bench.warmup);
  json.field("threads", bench.threads);
  write_times(json, "latency", bench.latency);
  json.field("throughput_hz", bench.latency.rate()).field("load_s", bench.load);
  json.field("peak_rss_bytes", static_cast<std::int64_t>(bench.peak_rss));
  if (bench.pipeline) write_pipeline(json.key("pipeline"), *bench.pipeline);
  if (!bench.sustained.empty()) write_sustained(json.key("sustained"), bench.sustained);
  json.close('}');
}
