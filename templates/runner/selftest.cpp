#include "selftest.h"

#include <algorithm>

#include "bench.h"
#include "failure.h"
#include "golden.h"
#include "output.h"

namespace {

constexpr int kDefaultSamples = 256;
constexpr double kShortLoad = 10;  // seconds

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

// Most of `least` and of what the percentiles of these budgets need.
template <typename Which>
int samples_for(const Bundle& bundle, int least, const Which& which) {
  int samples = least;
  for (const Budget& budget : bundle.budgets) {
    if (budget.kind == "latency" && which(budget)) samples = std::max(samples, statistic(budget).samples);
  }
  return samples;
}

bool of_whole(const Budget& budget) { return budget.pipeline || budget.after > 0; }

// Loads that are short are always measured, longer ones where that was asked for.
Whole whole_for(const Bundle& bundle, const Options& options) {
  if (options.evidence == "emulated") return {0, {}};
  std::vector<double> afters = options.afters;
  for (const Budget& budget : bundle.budgets) {
    if (budget.after > 0 && (options.sustained || budget.after <= kShortLoad)) afters.push_back(budget.after);
  }
  const int needed = samples_for(bundle, kPasses, of_whole);
  return {options.passes >= 0 ? options.passes : options.samples > 0 ? std::min(options.samples, needed) : needed, afters};
}

Bench benched(const Bundle& bundle, Model& model, const Options& options, int threads) {
  const int needed = samples_for(bundle, kDefaultSamples, [](const Budget& budget) { return !of_whole(budget); });
  Bench bench = run_bench(model, bench_inputs(bundle), {options.samples > 0 ? options.samples : needed, options.warmup, options.mark}, threads);
  if (!options.mark) run_whole(bench, bundle, model, whole_for(bundle, options), options.top);
  return bench;
}

// The durations that a budget of latency or throughput is about; none where they were not measured.
const Times* times_for(const Budget& budget, const Bench& bench) {
  if (budget.after == 0) return !budget.pipeline ? &bench.latency : bench.pipeline ? &bench.pipeline->total : nullptr;
  for (const Sustained& one : bench.sustained) {
    if (one.after == budget.after) return budget.pipeline ? &one.total : &one.execute;
  }
  return nullptr;
}

// What the bench says to one budget: its value, unit, over how many samples, and whether that is enough to judge it.
struct Reading {
  double value;
  const char* unit;
  std::int64_t samples;
  bool enough;
  bool met;
};

std::optional<Reading> read(const Budget& budget, const Bench& bench) {
  if (budget.kind == "memory") {
    const auto bytes = static_cast<double>(bench.peak_rss);
    return Reading{bytes, "bytes", static_cast<std::int64_t>(bench.latency.count()), true, bytes <= budget.limit};
  }
  const Times* times = times_for(budget, bench);
  if (times == nullptr) return std::nullopt;
  const auto samples = static_cast<std::int64_t>(times->count());
  if (budget.kind == "throughput") return Reading{times->rate(), "Hz", samples, samples >= 64, times->rate() >= budget.limit};
  const Statistic& known = statistic(budget);
  const double value = times->percentile(known.share);
  return Reading{value, "s", samples, samples >= known.samples, value <= budget.limit};
}

// Writes one verdict and returns whether the budget is missed.
bool write_verdict(JsonWriter& json, const Budget& budget, const Bench* bench, const std::string& evidence) {
  const std::optional<Reading> reading = bench == nullptr || evidence == "emulated" ? std::nullopt : read(budget, *bench);
  const int digits = budget.kind == "memory" ? kExactDigits : kDigits;  // bytes are whole numbers
  json.open('{').field("budget", budget.name);
  if (!reading) {
    json.field("status", "deferred").key("value").null().key("limit").value(budget.limit, digits).field("evidence", "none");
    const bool clocked = bench != nullptr && evidence != "emulated";
    if (clocked && budget.after > kShortLoad) json.field("reason", "it takes a load of its own: verify.sh --sustained measures it");
    json.close('}');
    return false;
  }
  json.field("status", !reading->enough ? "inconclusive" : reading->met ? "met" : "missed").key("value").value(reading->value, digits);
  json.key("limit").value(budget.limit, digits).field("unit", reading->unit).field("evidence", evidence);
  json.field("samples", reading->samples).close('}');
  return reading->enough && !reading->met;
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
  if (golden.passed && options.bench) bench = benched(bundle, model, options, threads);
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
