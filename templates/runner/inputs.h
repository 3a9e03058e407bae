// What a device delivers, as the tensors that the model takes.
#pragma once

#include <vector>

#include "image.h"
#include "model.h"

// The picture at the input's size, its bytes widened to float32 0..255 where that is the input's type.
Tensor image_tensor(const TensorSpec& spec, const Picture& picture);

// The window from sample `start` of `samples` (channels interleaved) on, as [1, channels, length].
Tensor window_tensor(const TensorSpec& spec, const std::vector<float>& samples, std::size_t channels, std::size_t start);
