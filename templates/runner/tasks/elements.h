// Elements of outputs as JSON numbers.
#pragma once

#include "json.h"
#include "model.h"

// How many digits a number has that was made from elements of that type.
inline int digits_of(const DType& dtype) { return dtype.floating && dtype.size <= sizeof(float) ? kDigits : kExactDigits; }

// Writes element `index` of an output: no digit of a whole number or of double precision is lost.
inline void write_element(JsonWriter& line, const View& view, std::size_t index) {
  const DType& dtype = *view.spec->dtype;
  if (dtype.floating) {
    line.value(element(dtype, view.data, index), digits_of(dtype));
  } else {
    line.value(integer_element(dtype, view.data, index));
  }
}
