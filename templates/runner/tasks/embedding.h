// Embedding: the first output as a vector, divided by its length unless the task's options say not to.
#pragma once

#include <cmath>
#include <vector>

#include "failure.h"
#include "json.h"
#include "model.h"

// Throws Failure (integrity) when the first output is not one row of floats.
inline void check_embedding(const Bundle& bundle) {
  const TensorSpec& vector = bundle.outputs.front();
  const bool row = !vector.shape.empty() && elements(vector.shape) == static_cast<std::size_t>(vector.shape.back());
  if (!vector.dtype->floating || !row) {
    throw Failure(kIntegrity, "bundle.json: embedding takes one row of floats, output " + vector.name + " is " + shown(vector.shape));
  }
}

// The length is the vector's own, also where what is printed was divided by it; a vector of zeros stays one.
inline void print_embedding(JsonWriter& line, const Bundle& bundle, const std::vector<View>& outputs, int) {
  const View& view = outputs.front();
  const Json* option = bundle.task_options.find("normalize");
  std::vector<double> values(view.count());
  double squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = element(*view.spec->dtype, view.data, i);
    squares += values[i] * values[i];
  }
  const double length = std::sqrt(squares);
  const double scale = (option == nullptr || option->boolean()) && length > 0 ? 1 / length : 1;
  line.key("embedding").open('[');
  for (const double value : values) line.value(static_cast<float>(value * scale));
  line.close(']').field("norm", length);
}
