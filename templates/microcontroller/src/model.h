// The model of this bundle on ExecuTorch, in static memory: nothing is allocated from a heap.
//
// Load once; then, for each inference, write every input, run, and read the outputs. Inputs lie in memory that the model's plan
// uses again while it runs, so all of them are written before every run.

#pragma once

#include <cstddef>
#include <cstdint>

#include <executorch/runtime/core/error.h>
#include <executorch/runtime/core/evalue.h>

namespace edgec {

using executorch::aten::Tensor;
using executorch::runtime::Error;

/// Loads the program that is linked in. Call it once, before anything else here.
Error load();

/// Returns where input number `index` is written, after giving it `shape` (as many sizes as it has axes; the model's own
/// where it is null); null where the model has no such input or cannot take that shape.
void* input(size_t index, const int32_t* shape = nullptr);

/// Runs one inference.
Error run();

/// Returns output number `index` of the last run.
const Tensor& output(size_t index);

/// How much of its pools the model has used since it was loaded, in bytes.
struct Used {
  size_t method;
  size_t temporary;
};
Used used();

}  // namespace edgec
