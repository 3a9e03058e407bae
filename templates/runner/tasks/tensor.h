// The plain task: each output's shape, first values and range.
#pragma once

#include <algorithm>
#include <vector>

#include "elements.h"
#include "json.h"
#include "model.h"

inline void print_tensors(JsonWriter& line, const Bundle&, const std::vector<View>& outputs, int) {
  constexpr std::size_t kShown = 16;
  line.key("outputs").open('[');
  for (const View& view : outputs) {
    const DType& dtype = *view.spec->dtype;
    const std::size_t count = view.count();
    std::size_t least = 0, most = 0;
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (element_less(dtype, view.data, i, least)) least = i;
      if (element_less(dtype, view.data, most, i)) most = i;
      total += element(dtype, view.data, i);
    }
    line.open('{').field("name", view.spec->name).key("shape").open('[');
    for (const std::int32_t axis : view.shape) line.value(axis);
    line.close(']').key("values").open('[');
    for (std::size_t i = 0; i < std::min(count, kShown); ++i) write_element(line, view, i);
    write_element(line.close(']').key("min"), view, least);
    write_element(line.key("max"), view, most);
    line.key("mean").value(total / static_cast<double>(count), digits_of(dtype)).close('}');
  }
  line.close(']');
}
