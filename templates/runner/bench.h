// Latency as MLPerf's single-stream scenario takes it: one query after another, each timed.
#pragma once

#include <optional>
#include <vector>

#include "json.h"
#include "model.h"
#include "pipeline.h"
#include "sustained.h"
#include "times.h"

struct Bench {
  int warmup;
  int threads;
  Times latency;         // of the execution alone
  double load;           // seconds
  std::size_t peak_rss;  // bytes, of all that has run, the pipeline with its decoding among it
  std::optional<PipelineBench> pipeline;
  std::vector<Sustained> sustained;
};

// How often, and whether each timed inference is marked: one system call (getppid) right before it and one right after,
// which nothing else here makes and which a counter of instructions sees.
struct Pace {
  int samples;
  int warmup;
  bool mark;
};

constexpr int kPasses = 64;

// Of the whole pipeline: how many passes, and after how many seconds of load; nothing where there are no passes.
struct Whole {
  int passes;
  std::vector<double> afters;
};

// Runs the model on each set of inputs in turn.
Bench run_bench(Model& model, const std::vector<std::vector<Tensor>>& inputs, Pace pace, int threads);

// Adds what the whole pipeline takes.
void run_whole(Bench& bench, const Bundle& bundle, Model& model, const Whole& whole, int top);

// The golden vectors' inputs, or one set of ramps where a bundle has none.
std::vector<std::vector<Tensor>> bench_inputs(const Bundle& bundle);

void write_bench(JsonWriter& json, const Bench& bench);
