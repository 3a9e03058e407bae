#include "inputs.h"

#include <cstring>
#include <utility>

Tensor image_tensor(const TensorSpec& spec, const Picture& picture) {
  Picture fitted = fit(picture, *spec.image);
  Tensor tensor{&spec, spec.shape, {}, {picture.width, picture.height}};
  if (spec.dtype->size == 1) {
    tensor.data = std::move(fitted.rgb);
    return tensor;
  }
  tensor.data.resize(fitted.rgb.size() * sizeof(float));
  for (std::size_t i = 0; i < fitted.rgb.size(); ++i) {
    const float value = fitted.rgb[i];
    std::memcpy(&tensor.data[i * sizeof(float)], &value, sizeof(float));
  }
  return tensor;
}

Tensor window_tensor(const TensorSpec& spec, const std::vector<float>& samples, std::size_t channels, std::size_t start) {
  const std::size_t length = elements(spec.shape) / channels;
  Tensor tensor{&spec, spec.shape, Bytes(elements(spec.shape) * sizeof(float))};
  for (std::size_t channel = 0; channel < channels; ++channel) {
    for (std::size_t i = 0; i < length; ++i) {
      std::memcpy(&tensor.data[(channel * length + i) * sizeof(float)], &samples[(start + i) * channels + channel], sizeof(float));
    }
  }
  return tensor;
}
