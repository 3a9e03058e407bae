// Durations of the same thing, many times over: percentiles, their intervals, and the rate that they make.
#pragma once

#include <string>
#include <vector>

#include "json.h"

struct Times {
  std::vector<double> sorted;  // seconds, ascending
  double total = 0;            // seconds

  // The smallest duration that `share` of all do not exceed (nearest rank).
  double percentile(double share) const;
  // The 95 % interval of that percentile, from order statistics, whatever the distribution; empty with too few.
  std::vector<double> interval(double share) const;
  std::size_t count() const { return sorted.size(); }
  double mean() const { return total / static_cast<double>(count()); }
  double rate() const { return static_cast<double>(count()) / total; }
};

// `seconds` must not be empty.
Times times_of(std::vector<double> seconds);

// Writes NAME_s with least, percentiles, largest and mean, and NAME_interval_s with the percentiles' intervals.
void write_times(JsonWriter& json, const std::string& name, const Times& times);
