#include "dtype.h"

#include <cmath>
#include <cstring>

namespace {

constexpr DType kTypes[] = {
    {"uint8", 1, 0, false}, {"int8", 1, 1, false},   {"int16", 2, 2, false},   {"int32", 4, 3, false}, {"int64", 8, 4, false},
    {"float16", 2, 5, true}, {"float32", 4, kFloat32, true}, {"float64", 8, 7, true}, {"bool", 1, 11, false},
};

template <typename T>
T as(const void* data, std::size_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + index * sizeof(T), sizeof(T));
  return value;
}

// IEEE 754 binary16.
double half(const void* data, std::size_t index) {
  const auto bits = static_cast<std::uint32_t>(as<std::uint16_t>(data, index));
  const int exponent = static_cast<int>((bits >> 10) & 31);
  const auto fraction = static_cast<double>(bits & 1023);
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return fraction == 0 ? sign * HUGE_VAL : std::nan("");
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25));
}

}  // namespace

const DType* dtype_named(const std::string& name) {
  for (const DType& type : kTypes) {
    if (name == type.name) return &type;
  }
  return nullptr;
}

const DType* dtype_coded(int code) {
  for (const DType& type : kTypes) {
    if (code == type.code) return &type;
  }
  return nullptr;
}

double element(const DType& dtype, const void* data, std::size_t index) {
  switch (dtype.code) {
    case 5: return half(data, index);
    case kFloat32: return as<float>(data, index);
    case 7: return as<double>(data, index);
    default: return static_cast<double>(integer_element(dtype, data, index));
  }
}

std::int64_t integer_element(const DType& dtype, const void* data, std::size_t index) {
  switch (dtype.code) {
    case 1: return as<std::int8_t>(data, index);
    case 2: return as<std::int16_t>(data, index);
    case 3: return as<std::int32_t>(data, index);
    case 4: return as<std::int64_t>(data, index);
    default: return as<std::uint8_t>(data, index);  // uint8 and bool
  }
}

bool element_less(const DType& dtype, const void* data, std::size_t one, std::size_t other) {
  if (dtype.floating) return element(dtype, data, one) < element(dtype, data, other);
  return integer_element(dtype, data, one) < integer_element(dtype, data, other);
}

std::size_t first_not_finite(const DType& dtype, const void* data, std::size_t count) {
  if (!dtype.floating) return count;
  if (dtype.code == kFloat32) {  // what most models answer in, without a choice for each element
    for (std::size_t i = 0; i < count; ++i) {
      if (!std::isfinite(as<float>(data, i))) return i;
    }
    return count;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(element(dtype, data, i))) return i;
  }
  return count;
}
