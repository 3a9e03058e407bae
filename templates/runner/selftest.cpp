#include "selftest.h"

#include <algorithm>

#include "bench.h"
#include "failure.h"
#include "golden.h"
#include "output.h"

namespace {

constexpr int kDefaultSamples = 256;

// MLPerf inference rules, single-stream: samples that a percentile needs before it means anything.
struct Statistic {
  const char* name;
  double share;
  int samples;
};
constexpr Statistic kStatistics[] = {{"p50", 0.50, 64}, {"p90", 0.90, 64}, {"p95", 0.95, 130}, {"p99", 0.99, 662}};

const Statistic& statistic(const Budget& budget) {
  for (const Statistic& known : kStatistics) {
    if (budget.statistic == known.name) return known;
  }
  throw Failure(kIntegrity, "bundle.json: budget " + budget.name + " is on " + budget.statistic + ", which this runner does not measure");
}

bool on_device(const Budget& budget) {
  return budget.kind == "latency" || budget.kind == "throughput" || budget.kind == "memory";
}

int samples_for(const Bundle& bundle, const Options& options) {
  int samples = kDefaultSamples;
  for (const Budget& budget : bundle.budgets) {
    if (budget.kind == "latency") samples = std::max(samples, statistic(budget).samples);
  }
  return options.samples > 0 ? options.samples : samples;
}

// What the bench says to one budget: its value, unit, and whether enough was measured to judge it.
struct Reading {
  double value;
  const char* unit;
  bool enough;
  bool met;
};

Reading read(const Budget& budget, const Bench& bench) {
  if (budget.kind == "memory") {
    const auto bytes = static_cast<double>(bench.peak_rss);
    return {bytes, "bytes", true, bytes <= budget.limit};
  }
  if (budget.kind == "throughput") return {bench.throughput(), "Hz", bench.samples >= 64, bench.throughput() >= budget.limit};
  const Statistic& known = statistic(budget);
  const double value = bench.percentile(known.share);
  return {value, "s", bench.samples >= known.samples, value <= budget.limit};
}

// Writes one verdict and returns whether the budget is missed.
bool write_verdict(JsonWriter& json, const Budget& budget, const Bench* bench, const std::string& evidence) {
  json.open('{').field("budget", budget.name);
  if (bench == nullptr || evidence == "emulated") {
    json.field("status", "deferred").key("value").null().field("limit", budget.limit).field("evidence", "none").close('}');
    return false;
  }
  const Reading reading = read(budget, *bench);
  json.field("status", !reading.enough ? "inconclusive" : reading.met ? "met" : "missed").field("value", reading.value);
  json.field("limit", budget.limit).field("unit", reading.unit).field("evidence", evidence);
  json.field("samples", bench->samples).close('}');
  return reading.enough && !reading.met;
}

void write_golden(JsonWriter& json, const GoldenResult& golden) {
  json.key("golden").open('{').field("passed", golden.passed).field("vectors", golden.vectors).key("worst");
  if (golden.sample.empty()) {
    json.null().close('}');
    return;
  }
  json.open('{').field("sample", golden.sample).field("error", golden.error).field("allowed", golden.allowed);
  if (!golden.passed) json.field("reason", golden.reason);
  json.close('}').close('}');
}

void write_identity(JsonWriter& json, const Bundle& bundle, const Options& options, const char* status) {
  json.field("schema", "edgec/verification/v1").field("name", bundle.name).field("version", bundle.version);
  json.field("target", bundle.target).key("bundle_sha256");
  if (options.bundle_digest.empty()) json.null(); else json.value(options.bundle_digest);
  json.field("evidence", options.evidence).field("model_sha256", bundle.model_sha256).field("status", status);
}

}  // namespace

int self_test(const Bundle& bundle, const Options& options) {
  const int threads = options.threads > 0 ? options.threads : bundle.threads;
  Model model(bundle, threads);
  const GoldenResult golden = run_golden(bundle, model);
  std::optional<Bench> bench;
  if (golden.passed && options.bench) {
    bench = run_bench(model, bench_inputs(bundle), {samples_for(bundle, options), options.warmup, options.mark}, threads);
  }
  JsonWriter verdicts;
  bool missed = false;
  verdicts.open('[');
  for (const Budget& budget : bundle.budgets) {
    if (on_device(budget)) missed = write_verdict(verdicts, budget, bench ? &*bench : nullptr, options.evidence) || missed;
  }
  verdicts.close(']');
  JsonWriter json;
  json.open('{');
  write_identity(json, bundle, options, !golden.passed ? "failed" : missed ? "budget-missed" : "passed");
  write_golden(json, golden);
  json.key("bench");
  if (bench) write_bench(json, *bench); else json.null();
  json.key("verdicts").embed(verdicts).close('}');
  print_line(json.text());
  return !golden.passed ? kIntegrity : missed ? kBudget : kOk;
}
