// Element types: their names in bundle.json, sizes, ExecuTorch's codes, and their values as doubles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

struct DType {
  const char* name;
  std::size_t size;
  int code;  // executorch::aten::ScalarType
  bool floating;
};

constexpr int kFloat32 = 6;

// Returns the type with that name, or with that ExecuTorch code, or nullptr.
const DType* dtype_named(const std::string& name);
const DType* dtype_coded(int code);

// Returns element `index` of little-endian data.
double element(const DType& dtype, const void* data, std::size_t index);

// The same, exactly, of a type that is not floating.
std::int64_t integer_element(const DType& dtype, const void* data, std::size_t index);

// Whether element `one` is less than element `other`.
bool element_less(const DType& dtype, const void* data, std::size_t one, std::size_t other);

// Returns the index of the first element that is NaN or infinite, or `count`.
std::size_t first_not_finite(const DType& dtype, const void* data, std::size_t count);
