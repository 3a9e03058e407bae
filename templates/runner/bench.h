// Latency as MLPerf's single-stream scenario takes it: one query after another, each timed.
#pragma once

#include <string>
#include <vector>

#include "json.h"
#include "model.h"

struct Bench {
  int samples;
  int warmup;
  int threads;
  std::vector<double> sorted;  // seconds, ascending
  double total;                // seconds
  double load;                 // seconds
  std::size_t peak_rss;        // bytes

  // The smallest latency that `share` of the samples do not exceed (nearest rank).
  double percentile(double share) const;
  // The 95 % interval of that percentile, from order statistics, whatever the distribution; empty with too few samples.
  std::vector<double> interval(double share) const;
  double mean() const { return total / samples; }
  double throughput() const { return samples / total; }
};

// How often, and whether each timed inference is marked: one system call (getppid) right before it and one right after,
// which nothing else here makes and which a counter of instructions sees.
struct Pace {
  int samples;
  int warmup;
  bool mark;
};

// Runs the model on each set of inputs in turn.
Bench run_bench(Model& model, const std::vector<std::vector<Tensor>>& inputs, Pace pace, int threads);

// The golden vectors' inputs, or one set of ramps where a bundle has none.
std::vector<std::vector<Tensor>> bench_inputs(const Bundle& bundle);

void write_bench(JsonWriter& json, const Bench& bench);
