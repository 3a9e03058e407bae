// Continuous load: what a pass takes after that long, and how much slower that is than at its start.
#pragma once

#include <vector>

#include "json.h"
#include "pipeline.h"
#include "times.h"

struct Sustained {
  double after;   // seconds of load before what was measured
  double window;  // seconds that were measured, a tenth of `after` and at most a minute, longer where passes are slow
  Times execute, total;
  double throttling;  // the median pass of the window against that of a window as long at the start; 1.1 is 10 % slower
};

// Loads the pipeline without a pause up to each of `afters` (seconds) in turn, and measures `samples` passes there or more.
std::vector<Sustained> run_sustained(Pipeline& pipeline, std::vector<double> afters, int samples);

void write_sustained(JsonWriter& json, const std::vector<Sustained>& found);
