#include "golden.h"

#include <algorithm>
#include <cmath>

#include "failure.h"

namespace {

Bytes recorded(const Bundle& bundle, const std::string& file, const Shape& shape, const DType& dtype) {
  const std::size_t size = elements(shape) * dtype.size;
  Bytes bytes = read_start(bundle.path(file), size + 1);
  if (bytes.size() != size) {
    const std::string has = bytes.size() > size ? "more" : std::to_string(bytes.size());
    throw Failure(kIntegrity, file + " has " + has + " bytes, its shape " + shown(shape) + " takes " + std::to_string(size));
  }
  return bytes;
}

// Compares one output; `result` keeps the worst element relative to what is allowed.
void compare(const Bundle& bundle, const GoldenVector& vector, std::size_t index, const View& actual, GoldenResult& result) {
  const DType& dtype = *actual.spec->dtype;
  if (actual.shape != vector.output_shapes[index]) {
    result.passed = false;
    result.sample = vector.sample;
    result.reason = "output " + actual.spec->name + " has shape " + shown(actual.shape) + ", recorded is " +
                    shown(vector.output_shapes[index]);
    return;
  }
  const Bytes expected = recorded(bundle, vector.outputs[index], actual.shape, dtype);
  const std::size_t count = actual.count();
  double largest = 0;
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(element(dtype, expected.data(), i)));
  const double allowed = bundle.golden_absolute + bundle.golden_relative * largest;
  for (std::size_t i = 0; i < count; ++i) {
    const double value = element(dtype, actual.data, i);
    const double error = std::fabs(value - element(dtype, expected.data(), i));
    const bool good = std::isfinite(error) && error <= allowed;  // an infinite one recorded would allow anything
    if (result.passed && good && !(result.sample.empty() || error - allowed > result.error - result.allowed)) continue;
    if (!result.passed && (good || error - allowed <= result.error - result.allowed)) continue;
    result.sample = vector.sample;
    result.error = error;
    result.allowed = allowed;
    if (!good) result.reason = "output " + actual.spec->name + " differs at element " + std::to_string(i);
    result.passed = result.passed && good;
  }
}

}  // namespace

std::vector<Tensor> golden_inputs(const Bundle& bundle, const GoldenVector& vector) {
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < bundle.inputs.size(); ++i) {
    const TensorSpec& spec = bundle.inputs[i];
    inputs.push_back({&spec, vector.input_shapes[i], recorded(bundle, vector.inputs[i], vector.input_shapes[i], *spec.dtype)});
  }
  return inputs;
}

GoldenResult run_golden(const Bundle& bundle, Model& model) {
  if (bundle.golden.empty()) throw Failure(kIntegrity, "bundle.json has no golden vector to hold the model against");
  GoldenResult result;
  for (const GoldenVector& vector : bundle.golden) {
    const std::vector<Tensor> inputs = golden_inputs(bundle, vector);
    model.bind(inputs);
    model.run();
    const std::vector<View> outputs = model.outputs();
    for (std::size_t i = 0; i < outputs.size(); ++i) compare(bundle, vector, i, outputs[i], result);
    ++result.vectors;
  }
  return result;
}
