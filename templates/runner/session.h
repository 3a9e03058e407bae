// Inferences one after another, each a line of JSON.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "clock.h"
#include "failure.h"
#include "model.h"
#include "options.h"
#include "output.h"
#include "tasks/tasks.h"

// Runs inference after inference and prints a line for each; remembers the lowest exit code of those that failed.
class Session {
 public:
  Session(const Bundle& bundle, const Options& options)
      : bundle_(bundle), options_(options), print_(task_printer(bundle, options.masks)),
        model_(bundle, options.threads > 0 ? options.threads : bundle.threads) {}

  int exit_code() const { return exit_code_; }

  // `seconds`, where not negative, is the time in the stream at which the input ends.
  void infer(const std::string& source, const std::vector<Tensor>& inputs, double seconds = -1) {
    model_.bind(inputs);
    const double start = now_seconds();
    model_.run();
    const double latency = now_seconds() - start;
    const std::vector<View> outputs = model_.outputs();
    check_finite(outputs);
    for (const View& view : outputs) {
      if (!options_.raw_output.empty()) append_file(options_.raw_output, view.data, view.bytes());
    }
    JsonWriter line;
    line.open('{').field("source", source);
    if (seconds >= 0) line.field("time_s", seconds);
    const bool event = print_(line, bundle_, inputs, outputs, options_.top);
    line.field("latency_ms", latency * 1e3).close('}');
    if (event || !options_.events) print_line(line.text());
  }

  void report(const std::string& source, const Failure& failure) {
    JsonWriter line;
    line.open('{').field("source", source).field("error", failure.message).close('}');
    print_line(line.text());
    exit_code_ = exit_code_ == kOk ? failure.code : std::min(exit_code_, failure.code);
  }

 private:
  const Bundle& bundle_;
  const Options& options_;
  TaskPrinter print_;
  Model model_;
  int exit_code_ = kOk;
};
