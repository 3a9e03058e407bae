// The plain task: each output's shape, first values and range.
#pragma once

#include <algorithm>
#include <vector>

#include "json.h"
#include "model.h"

inline void print_tensors(JsonWriter& line, const Bundle&, const std::vector<View>& outputs, int) {
  constexpr std::size_t kShown = 16;
  line.key("outputs").open('[');
  for (const View& view : outputs) {
    const DType& dtype = *view.spec->dtype;
    const std::size_t count = view.count();
    double least = element(dtype, view.data, 0), most = least, total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double value = element(dtype, view.data, i);
      least = std::min(least, value);
      most = std::max(most, value);
      total += value;
    }
    line.open('{').field("name", view.spec->name).key("shape").open('[');
    for (const std::int32_t axis : view.shape) line.value(axis);
    line.close(']').key("values").open('[');
    for (std::size_t i = 0; i < std::min(count, kShown); ++i) line.value(element(dtype, view.data, i));
    line.close(']').field("min", least).field("max", most).field("mean", total / static_cast<double>(count)).close('}');
  }
  line.close(']');
}
