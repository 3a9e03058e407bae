#include "times.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace {

constexpr std::pair<const char*, double> kPercentiles[] = {{"p50", 0.50}, {"p90", 0.90}, {"p95", 0.95}, {"p99", 0.99}};

}  // namespace

double Times::percentile(double share) const {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size()) - 1e-9));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

// Ranks n*p -+ 1.96*sqrt(n*p*(1-p)), rounded outwards: Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.
std::vector<double> Times::interval(double share) const {
  const auto count = static_cast<double>(sorted.size());
  const double half = 1.959964 * std::sqrt(count * share * (1 - share));
  const double low = std::floor(count * share - half);
  const double high = std::ceil(count * share + half) + 1;
  if (low < 1 || high > count) return {};
  return {sorted[static_cast<std::size_t>(low) - 1], sorted[static_cast<std::size_t>(high) - 1]};
}

Times times_of(std::vector<double> seconds) {
  Times times;
  for (const double one : seconds) times.total += one;
  std::sort(seconds.begin(), seconds.end());
  times.sorted = std::move(seconds);
  return times;
}

void write_times(JsonWriter& json, const std::string& name, const Times& times) {
  json.key((name + "_s").c_str()).open('{').field("min", times.sorted.front());
  for (const auto& [key, share] : kPercentiles) json.field(key, times.percentile(share));
  json.field("max", times.sorted.back()).field("mean", times.mean()).close('}');
  json.key((name + "_interval_s").c_str()).open('{');
  for (const auto& [key, share] : kPercentiles) {
    const std::vector<double> bounds = times.interval(share);
    if (!bounds.empty()) json.key(key).open('[').value(bounds[0]).value(bounds[1]).close(']');
  }
  json.close('}');
}
