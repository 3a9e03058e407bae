#include "model.h"

#include <new>

#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/runtime/core/exec_aten/util/tensor_util.h>
#include <executorch/runtime/core/hierarchical_allocator.h>
#include <executorch/runtime/core/memory_allocator.h>
#include <executorch/runtime/executor/memory_manager.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>
#include <executorch/runtime/platform/runtime.h>

#include "edgec_sizes.h"
#include "model_data.h"

#ifdef EDGEC_ARENA_SECTION
#define EDGEC_ARENA __attribute__((section(EDGEC_ARENA_SECTION)))
#else
#define EDGEC_ARENA
#endif

namespace edgec {
namespace {

using executorch::extension::BufferDataLoader;
using executorch::runtime::EValue;
using executorch::runtime::HierarchicalAllocator;
using executorch::runtime::MemoryAllocator;
using executorch::runtime::MemoryManager;
using executorch::runtime::Method;
using executorch::runtime::Program;
using executorch::runtime::Result;
using executorch::runtime::Span;

constexpr size_t kArenas[] = EDGEC_ARENA_BYTES;
constexpr size_t kArenaCount = sizeof(kArenas) / sizeof(kArenas[0]);

constexpr size_t arena_total() {
  size_t total = 0;
  for (size_t bytes : kArenas) {
    total += (bytes + 15) / 16 * 16;
  }
  return total;
}

alignas(16) EDGEC_ARENA uint8_t arenas[arena_total() > 0 ? arena_total() : 16];
alignas(16) uint8_t method_pool[EDGEC_METHOD_POOL_BYTES];
alignas(16) uint8_t temporary_pool[EDGEC_TEMPORARY_POOL_BYTES];

/// Remembers the most that was ever taken: the runtime empties it after every kernel.
class TemporaryAllocator final : public MemoryAllocator {
 public:
  using MemoryAllocator::MemoryAllocator;

  void* allocate(size_t size, size_t alignment = kDefaultAlignment) override {
    void* place = MemoryAllocator::allocate(size, alignment);
    if (place != nullptr && used_size() > peak_) {
      peak_ = used_size();
    }
    return place;
  }

  size_t peak() const {
    return peak_;
  }

 private:
  size_t peak_ = 0;
};

/// Room for one object without a default constructor, made when it is first needed and never destroyed.
template <typename T>
class Late {
 public:
  template <typename... Arguments>
  T& make(Arguments&&... arguments) {
    return *(made_ = new (room_) T(static_cast<Arguments&&>(arguments)...));
  }
  T* get() {
    return made_;
  }

 private:
  alignas(T) uint8_t room_[sizeof(T)];
  T* made_ = nullptr;
};

Span<uint8_t> spans[kArenaCount];
Late<BufferDataLoader> loader;
Late<Program> program;
Late<MemoryAllocator> method_allocator;
Late<TemporaryAllocator> temporary_allocator;
Late<HierarchicalAllocator> planned;
Late<MemoryManager> manager;
Late<Method> method;
EValue inputs[EDGEC_INPUTS];

void lay_out_arenas() {
  uint8_t* next = arenas;
  for (size_t index = 0; index < kArenaCount; ++index) {
    spans[index] = {next, kArenas[index]};
    next += (kArenas[index] + 15) / 16 * 16;
  }
}

}  // namespace

Error load() {
  if (method.get() != nullptr) {
    return Error::InvalidState;
  }
  executorch::runtime::runtime_init();
  loader.make(edgec_model_begin(), edgec_model_bytes());
  Result<Program> loaded = Program::load(loader.get());
  if (!loaded.ok()) {
    return loaded.error();
  }
  program.make(static_cast<Program&&>(loaded.get()));
  lay_out_arenas();
  method_allocator.make(sizeof(method_pool), method_pool);
  temporary_allocator.make(sizeof(temporary_pool), temporary_pool);
  planned.make(Span<Span<uint8_t>>{spans, EDGEC_ARENAS});
  manager.make(method_allocator.get(), planned.get(), temporary_allocator.get());
  Result<Method> made = program.get()->load_method("forward", manager.get());
  if (!made.ok()) {
    return made.error();
  }
  method.make(static_cast<Method&&>(made.get()));
  // set_input would copy each input; here it is written in place.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  return method.get()->get_inputs(inputs, EDGEC_INPUTS);
#pragma GCC diagnostic pop
}

void* input(size_t index, const int32_t* shape) {
  if (index >= EDGEC_INPUTS || !inputs[index].isTensor()) {
    return nullptr;
  }
  Tensor& tensor = inputs[index].toTensor();
  if (shape != nullptr) {
    const executorch::runtime::ArrayRef<executorch::aten::SizesType> sizes(
        reinterpret_cast<const executorch::aten::SizesType*>(shape), static_cast<size_t>(tensor.dim()));
    if (executorch::runtime::resize_tensor(tensor, sizes) != Error::Ok) {
      return nullptr;
    }
  }
  return tensor.mutable_data_ptr();
}

Error run() {
  return method.get()->execute();
}

const Tensor& output(size_t index) {
  return method.get()->get_output(index).toTensor();
}

Used used() {
  return {method_allocator.get()->used_size(), temporary_allocator.get()->peak()};
}

}  // namespace edgec
