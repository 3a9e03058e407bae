// The self-test of this bundle: every golden vector is run and compared, and one line a vector goes to the standard output.
//
// The last line is "PASS" or "FAIL" with the number of vectors. Where main returns, 0 is a pass, 4 a model that does not load or
// run, and 7 a vector that is off. No floating-point number is printed: small C libraries cannot.

#include <cmath>
#include <cstdio>
#include <cstring>

#include "edgec_sizes.h"
#include "golden_vectors.h"
#include "model.h"

namespace {

using edgec::Tensor;
using executorch::aten::ScalarType;

void write_input(void* place, const edgec::GoldenTensor& given) {
  if (!given.narrow) {
    std::memcpy(place, given.data, given.elements * given.element_bytes);
    return;
  }
  // Whole numbers in 0..255, kept in a byte each: the input itself is float32.
  float* values = static_cast<float*>(place);
  for (size_t index = 0; index < given.elements; ++index) {
    values[index] = static_cast<float>(given.data[index]);
  }
}

template <typename T>
double number(T value) {
  return static_cast<double>(value);  // not by way of float, which holds whole numbers only as far as 2^24
}

double number(executorch::aten::Half value) { return static_cast<double>(static_cast<float>(value)); }
double number(executorch::aten::BFloat16 value) { return static_cast<double>(static_cast<float>(value)); }

template <typename T>
double worst_share_of(const void* actual, const edgec::GoldenTensor& expected) {
  const T* got = static_cast<const T*>(actual);
  const T* wanted = reinterpret_cast<const T*>(expected.data);
  double largest = 0;
  for (size_t index = 0; index < expected.elements; ++index) {
    largest = std::fmax(largest, std::fabs(number(wanted[index])));
  }
  const double allowed = edgec::golden_absolute + edgec::golden_relative * largest;
  double worst = 0;
  for (size_t index = 0; index < expected.elements; ++index) {
    const double error = std::fabs(number(got[index]) - number(wanted[index]));
    if (!std::isfinite(error)) {
      return HUGE_VAL;
    }
    // Without any tolerance, equality is asked.
    worst = std::fmax(worst, error == 0 ? 0 : allowed > 0 ? error / allowed : HUGE_VAL);
  }
  return worst;
}

/// Returns the largest error as a share of what is allowed: above 1 the output is wrong.
double worst_share(const Tensor& actual, const edgec::GoldenTensor& expected) {
  if (static_cast<size_t>(actual.numel()) != expected.elements || static_cast<size_t>(actual.element_size()) != expected.element_bytes) {
    return HUGE_VAL;
  }
  const void* data = actual.const_data_ptr();
  switch (actual.scalar_type()) {
    case ScalarType::Float:
      return worst_share_of<float>(data, expected);
    case ScalarType::Half:
      return worst_share_of<executorch::aten::Half>(data, expected);
    case ScalarType::BFloat16:
      return worst_share_of<executorch::aten::BFloat16>(data, expected);
    case ScalarType::Double:
      return worst_share_of<double>(data, expected);
    case ScalarType::Char:
      return worst_share_of<int8_t>(data, expected);
    case ScalarType::Byte:
    case ScalarType::Bool:
      return worst_share_of<uint8_t>(data, expected);
    case ScalarType::Short:
      return worst_share_of<int16_t>(data, expected);
    case ScalarType::Int:
      return worst_share_of<int32_t>(data, expected);
    case ScalarType::Long:
      return worst_share_of<int64_t>(data, expected);
    default:
      return HUGE_VAL;
  }
}

/// Returns ExecuTorch's error code, 0 where the vector ran; `share` is then its largest error.
int run_vector(const edgec::GoldenVector& vector, double& share) {
  for (size_t index = 0; index < EDGEC_INPUTS; ++index) {
    void* place = edgec::input(index, vector.inputs[index].shape);
    if (place == nullptr) {
      return static_cast<int>(edgec::Error::InvalidArgument);
    }
    write_input(place, vector.inputs[index]);
  }
  const edgec::Error error = edgec::run();
  if (error != edgec::Error::Ok) {
    return static_cast<int>(error);
  }
  share = 0;
  for (size_t index = 0; index < EDGEC_OUTPUTS; ++index) {
    share = std::fmax(share, worst_share(edgec::output(index), vector.outputs[index]));
  }
  return 0;
}

unsigned long per_mille(double share) {
  return share < 1e6 ? static_cast<unsigned long>(share * 1000 + 0.5) : 1000000000UL;
}

}  // namespace

int main() {
  const edgec::Error loaded = edgec::load();
  if (loaded != edgec::Error::Ok) {
    std::printf("FAIL: the model does not load, ExecuTorch error 0x%lx\n", static_cast<unsigned long>(loaded));
    return 4;
  }
  size_t passed = 0;
  for (size_t index = 0; index < edgec::golden_vector_count; ++index) {
    double share = 0;
    if (const int error = run_vector(edgec::golden_vectors[index], share)) {
      std::printf("FAIL: vector %lu does not run, ExecuTorch error 0x%x\n", static_cast<unsigned long>(index), error);
      return 4;
    }
    passed += share <= 1 ? 1 : 0;
    std::printf("vector %lu: %s, worst error %lu/1000 of what is allowed\n", static_cast<unsigned long>(index),
                share <= 1 ? "agrees" : "DIFFERS", per_mille(share));
  }
  const edgec::Used used = edgec::used();
  std::printf("method pool: %lu of %lu bytes\n", static_cast<unsigned long>(used.method),
              static_cast<unsigned long>(EDGEC_METHOD_POOL_BYTES));
  std::printf("temporary pool: %lu of %lu bytes\n", static_cast<unsigned long>(used.temporary),
              static_cast<unsigned long>(EDGEC_TEMPORARY_POOL_BYTES));
  const bool all = passed > 0 && passed == edgec::golden_vector_count;  // none says nothing of the model
  std::printf("%s: %lu of %lu golden vectors agree\n", all ? "PASS" : "FAIL", static_cast<unsigned long>(passed),
              static_cast<unsigned long>(edgec::golden_vector_count));
  return all ? 0 : 7;
}
