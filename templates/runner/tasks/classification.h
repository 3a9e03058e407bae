// Classification: the softmax of the first output's last axis, the best class and the next best.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "failure.h"
#include "json.h"
#include "model.h"

// Throws Failure (integrity) when the first output is not one row of floats, or the labels are not its classes.
inline void check_classification(const Bundle& bundle) {
  const TensorSpec& scores = bundle.outputs.front();
  const std::size_t classes = scores.shape.empty() ? 0 : static_cast<std::size_t>(scores.shape.back());
  if (!scores.dtype->floating || classes == 0 || elements(scores.shape) != classes) {
    throw Failure(kIntegrity, "bundle.json: classification takes one row of scores, output " + scores.name + " is " + shown(scores.shape));
  }
  if (!bundle.labels.empty() && bundle.labels.size() != classes) {
    throw Failure(kIntegrity, "bundle.json has " + std::to_string(bundle.labels.size()) + " labels for " +
                                  std::to_string(classes) + " classes");
  }
}

inline std::vector<double> softmax(const View& logits) {
  std::vector<double> scores(logits.count());
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = element(*logits.spec->dtype, logits.data, i);
  const double largest = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - largest);
  for (double& score : scores) score /= total;
  return scores;
}

// Prints the best class of `scores` and the `top` best; returns the best one's index.
inline std::size_t print_best(JsonWriter& line, const Bundle& bundle, const std::vector<double>& scores, int top) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t shown = std::min(order.size(), static_cast<std::size_t>(std::max(top, 1)));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [&](std::size_t a, std::size_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  const auto label = [&](std::size_t i) { return bundle.labels.empty() ? std::to_string(i) : bundle.labels[i]; };
  line.field("label", label(order[0])).field("index", static_cast<std::int64_t>(order[0])).field("score", scores[order[0]]);
  line.key("top").open('[');
  for (std::size_t i = 0; i < shown; ++i) {
    line.open('{').field("label", label(order[i])).field("score", scores[order[i]]).close('}');
  }
  line.close(']');
  return order[0];
}

inline void print_classification(JsonWriter& line, const Bundle& bundle, const std::vector<View>& outputs, int top) {
  print_best(line, bundle, softmax(outputs.front()), top);
}
