// Stand-ins for kernels and delegates that no build machine has, so that a program that names them can be loaded and its
// memory counted. They compute nothing: what they are asked to run ends in NotSupported.

#include <executorch/runtime/backend/interface.h>
#include <executorch/runtime/kernel/kernel_runtime_context.h>
#include <executorch/runtime/kernel/operator_registry.h>

namespace {

using namespace executorch::runtime;

class StandIn final : public BackendInterface {
 public:
  bool is_available() const override {
    return true;
  }
  Result<DelegateHandle*> init(BackendInitContext&, FreeableBuffer*, ArrayRef<CompileSpec>) const override {
    return static_cast<DelegateHandle*>(nullptr);
  }
  Error execute(BackendExecutionContext&, DelegateHandle*, Span<EValue*>) const override {
    return Error::NotSupported;
  }
};

[[maybe_unused]] void compute_nothing(KernelRuntimeContext& context, Span<EValue*>) {
  context.fail(Error::NotSupported);
}

[[maybe_unused]] StandIn stand_in;

[[maybe_unused]] const bool registered = [] {
#ifdef EDGEC_STAND_IN_BACKENDS
  for (const char* name : {EDGEC_STAND_IN_BACKENDS}) {
    (void)register_backend({name, &stand_in});
  }
#endif
#ifdef EDGEC_STAND_IN_KERNELS
  for (const char* name : {EDGEC_STAND_IN_KERNELS}) {
    (void)register_kernel(Kernel(name, compute_nothing));
  }
#endif
  return true;
}();

}  // namespace
