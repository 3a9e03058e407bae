// The whole way from what a device delivers to a line of JSON, timed part by part.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "json.h"
#include "model.h"
#include "tasks/tasks.h"
#include "times.h"

// Seconds of one pass: `pre` is decoding, resizing and conversion, `post` the task's reading of the outputs and its JSON.
// Files, sockets and standard output are left out: what is read and written lies in memory.
struct Pass {
  double pre;
  double execute;
  double post;

  double total() const { return pre + execute + post; }
};

class Pipeline {
 public:
  // Feeds the golden vectors' own pictures where the bundle has them, else their inputs as a camera or a sensor would
  // deliver them, else ramps. Throws Failure (environment, integrity).
  Pipeline(const Bundle& bundle, Model& model, int top);

  // One pass over the next input, in turn. Throws Failure (model) when an output is not finite.
  Pass run();

  // What is fed: pictures, frames, windows or tensors.
  const char* inputs() const { return inputs_; }

 private:
  const Bundle& bundle_;
  Model& model_;
  int top_;
  TaskPrinter print_;
  const char* inputs_ = "tensors";
  std::vector<std::function<std::vector<Tensor>()>> feeds_;
  std::size_t next_ = 0;
};

struct PipelineBench {
  const char* inputs;
  Times pre, execute, post, total;
};

// Passes one after another, the first `warmup` of them untimed.
PipelineBench run_pipeline(Pipeline& pipeline, int samples, int warmup);

void write_pipeline(JsonWriter& json, const PipelineBench& bench);
