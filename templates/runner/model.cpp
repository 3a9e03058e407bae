#include "model.h"

#include <executorch/devtools/etdump/etdump_flatcc.h>
#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/extension/module/module.h>
#include <executorch/runtime/backend/interface.h>
#include <executorch/runtime/kernel/operator_registry.h>
#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sched.h>

#include "clock.h"
#include "failure.h"
#include "sha256.h"

namespace et = executorch::runtime;
using executorch::aten::ScalarType;
using executorch::aten::TensorImpl;

// threadpool.h is not among the wheel's headers (executorch 1.5.1); these are the two symbols that its library exports.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(std::uint32_t new_thread_count);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace {

constexpr std::size_t kModelLimit = std::size_t{4} << 30;

// The runtime reports each file that it looks for; only its errors are the user's business.
void log_errors(et_timestamp_t, et_pal_log_level_t level, const char* file, const char*, std::size_t line, const char* message,
                std::size_t) {
  if (level != kError && level != kFatal) return;
  std::fprintf(stderr, "executorch: %s (%s:%zu)\n", message, file, line);
}

// The runtime takes it once in a process, and tells each further time as an error.
void register_log() {
  [[maybe_unused]] static const bool registered = et::register_pal(et::PalImpl::create(log_errors, __FILE__));
}

std::string error_text(et::Error error) {
  char code[16];
  std::snprintf(code, sizeof code, " (0x%x)", static_cast<unsigned>(error));
  return std::string(et::to_string(error)) + code;
}

void check(et::Error error, const char* what) {
  if (error != et::Error::Ok) throw Failure(kModel, std::string(what) + ": " + error_text(error));
}

std::string described(const Shape& shape, const DType* dtype) {
  return (dtype == nullptr ? std::string("an unsupported type") : dtype->name) + " " + shown(shape);
}

// The data is read as contiguous, so a program that wants another order is refused.
void check_signature(const et::Result<et::TensorInfo>& info, const TensorSpec& spec) {
  if (!info.ok()) throw Failure(kModel, "the model's " + spec.name + " is not a tensor");
  const Shape shape(info->sizes().begin(), info->sizes().end());
  const DType* dtype = dtype_coded(static_cast<int>(info->scalar_type()));
  if (shape != spec.shape || dtype != spec.dtype) {
    throw Failure(kModel, "the model's " + spec.name + " is " + described(shape, dtype) + ", bundle.json says " +
                              described(spec.shape, spec.dtype));
  }
  for (std::size_t i = 0; i < info->dim_order().size(); ++i) {
    if (info->dim_order()[i] != i) throw Failure(kModel, "the model's " + spec.name + " is not contiguous");
  }
}

void check_signature(const et::MethodMeta& meta, const Bundle& bundle) {
  if (meta.num_inputs() != bundle.inputs.size() || meta.num_outputs() != bundle.outputs.size()) {
    throw Failure(kModel, "the model has " + std::to_string(meta.num_inputs()) + " inputs and " +
                              std::to_string(meta.num_outputs()) + " outputs, bundle.json another number");
  }
  for (std::size_t i = 0; i < bundle.inputs.size(); ++i) check_signature(meta.input_tensor_meta(i), bundle.inputs[i]);
  for (std::size_t i = 0; i < bundle.outputs.size(); ++i) check_signature(meta.output_tensor_meta(i), bundle.outputs[i]);
}

// A library without the pool, or a pool that keeps its size, would run on another number of threads than asked for.
void set_threads(int threads) {
  executorch::extension::threadpool::ThreadPool* pool = executorch::extension::threadpool::get_threadpool();
  if (pool == nullptr || !pool->_unsafe_reset_threadpool(static_cast<std::uint32_t>(threads))) {
    const std::string count = std::to_string(threads) + (threads == 1 ? " thread" : " threads");
    throw Failure(kEnvironment, "the runtime cannot run on " + count + " here");
  }
}

// Whether CPU is the first of the hardware threads that share its core.
bool first_of_core(int cpu) {
  char path[96];
  std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
  std::FILE* file = std::fopen(path, "r");
  if (file == nullptr) return true;
  int first = cpu;
  const int read = std::fscanf(file, "%d", &first);
  std::fclose(file);
  return read != 1 || first == cpu;
}

// OpenVINO runs on as many threads as it may use processors, and a program has no word for it (executorch 1.5.1): the
// process keeps that many of its processors, whole cores first. It loads OpenVINO from the bundle, whatever the environment says.
void confine_openvino(int threads) {
  const std::vector<std::string> backends = registered_backends();
  if (std::find(backends.begin(), backends.end(), "OpenvinoBackend") == backends.end()) return;
  unsetenv("OPENVINO_LIB_PATH");
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t kept;
  CPU_ZERO(&kept);
  for (const bool whole : {true, false}) {
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&kept) < threads; ++cpu) {
      if (CPU_ISSET(cpu, &allowed) && !CPU_ISSET(cpu, &kept) && first_of_core(cpu) == whole) CPU_SET(cpu, &kept);
    }
  }
  if (sched_setaffinity(0, sizeof kept, &kept) != 0) throw Failure(kEnvironment, "the process cannot choose its processors");
}

// One bound input: what a TensorImpl points to.
struct Bound {
  explicit Bound(const Tensor& input)
      : sizes(input.shape), order(sizes.size()), strides(sizes.size()),
        tensor(static_cast<ScalarType>(input.spec->dtype->code), static_cast<ssize_t>(sizes.size()), sizes.data(),
               const_cast<std::uint8_t*>(input.data.data()), order.data(), strides.data()) {
    std::int32_t stride = 1;
    for (std::size_t i = sizes.size(); i-- > 0; stride *= sizes[i]) {
      order[i] = static_cast<TensorImpl::DimOrderType>(i);
      strides[i] = stride;
    }
  }

  Shape sizes;
  std::vector<TensorImpl::DimOrderType> order;
  std::vector<TensorImpl::StridesType> strides;
  TensorImpl tensor;
};

}  // namespace

struct Model::State {
  const Bundle* bundle;
  Bytes program;
  executorch::etdump::ETDumpGen* tracer = nullptr;  // owned by the module
  std::unique_ptr<executorch::extension::Module> module;
  std::vector<std::unique_ptr<Bound>> bound;
  std::vector<et::EValue> arguments;
  std::vector<et::EValue> results;
};

Bytes verified_model(const Bundle& bundle) {
  // One byte more than there should be is enough to see that it is another file.
  Bytes bytes = read_start(bundle.path(bundle.model_file), std::min(kModelLimit, bundle.model_bytes) + 1);
  const std::string digest = sha256_hex(bytes.data(), bytes.size());
  if (digest != bundle.model_sha256) {
    throw Failure(kIntegrity, bundle.model_file + " is not the model that bundle.json records: " +
                                  (bytes.size() > bundle.model_bytes ? "it is longer" : "its sha256 is " + digest) +
                                  ", recorded is " + bundle.model_sha256 + " of " + std::to_string(bundle.model_bytes) + " bytes");
  }
  return bytes;
}

void check_shape(const TensorSpec& spec, const Shape& shape, int code) {
  bool within = shape.size() == spec.shape.size();
  for (std::size_t i = 0; within && i < shape.size(); ++i) within = spec.minimum[i] <= shape[i] && shape[i] <= spec.shape[i];
  if (within) return;
  const std::string bounds = spec.minimum == spec.shape ? shown(spec.shape) : shown(spec.minimum) + " to " + shown(spec.shape);
  throw Failure(code, "input " + spec.name + " has shape " + shown(shape) + ", the model takes " + bounds);
}

void check_input(const Tensor& input) {
  const TensorSpec& spec = *input.spec;
  check_shape(spec, input.shape, kEnvironment);
  const std::size_t count = elements(input.shape);
  if (input.data.size() != count * spec.dtype->size) {
    throw Failure(kEnvironment, "input " + spec.name + " has " + std::to_string(input.data.size()) + " bytes, " +
                                    described(input.shape, spec.dtype) + " takes " + std::to_string(count * spec.dtype->size));
  }
  const std::size_t bad = first_not_finite(*spec.dtype, input.data.data(), count);
  if (bad != count) {
    throw Failure(kEnvironment, "input " + spec.name + " is not finite at element " + std::to_string(bad));
  }
}

Model::Model(const Bundle& bundle, int threads, bool profile) : state_(std::make_unique<State>()) {
  const double start = now_seconds();
  State& state = *state_;
  state.bundle = &bundle;
  state.program = verified_model(bundle);
  register_log();
  et::runtime_init();
  set_threads(threads);
  confine_openvino(threads);
  std::unique_ptr<executorch::etdump::ETDumpGen> tracer;
  if (profile) tracer = std::make_unique<executorch::etdump::ETDumpGen>();
  state.tracer = tracer.get();
  state.module = std::make_unique<executorch::extension::Module>(
      std::make_unique<executorch::extension::BufferDataLoader>(state.program.data(), state.program.size()), nullptr, nullptr,
      std::move(tracer));
  check(state.module->load(et::Program::Verification::InternalConsistency), "the runtime refuses the model");
  const auto meta = state.module->method_meta("forward");
  check(meta.error(), "the model has no method forward");
  check_signature(*meta, bundle);
  check(state.module->load_method("forward"), "the model does not load");
  load_seconds_ = now_seconds() - start;
}

Model::~Model() = default;

void Model::bind(const std::vector<Tensor>& inputs) {
  for (const Tensor& input : inputs) check_input(input);
  state_->arguments.clear();
  state_->bound.clear();
  for (const Tensor& input : inputs) {
    state_->bound.push_back(std::make_unique<Bound>(input));
    state_->arguments.emplace_back(executorch::aten::Tensor(&state_->bound.back()->tensor));
  }
}

void Model::run() {
  auto result = state_->module->forward(state_->arguments);
  check(result.error(), "the model does not run");
  state_->results = std::move(*result);
}

std::vector<View> Model::outputs() const {
  const std::vector<TensorSpec>& specs = state_->bundle->outputs;
  if (state_->results.size() != specs.size()) throw Failure(kModel, "the model returned another number of outputs");
  std::vector<View> views;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (!state_->results[i].isTensor()) throw Failure(kModel, "output " + specs[i].name + " is not a tensor");
    const auto& tensor = state_->results[i].toTensor();
    const Shape shape(tensor.sizes().begin(), tensor.sizes().end());
    const DType* dtype = dtype_coded(static_cast<int>(tensor.scalar_type()));
    if (dtype != specs[i].dtype || shape.size() != specs[i].shape.size()) {
      throw Failure(kModel, "output " + specs[i].name + " is " + described(shape, dtype));
    }
    views.push_back({&specs[i], shape, tensor.const_data_ptr()});
  }
  return views;
}

Bytes Model::trace() const {
  if (state_->tracer == nullptr) throw Failure(kModel, "the model was not loaded for profiling");
  const executorch::etdump::ETDumpResult result = state_->tracer->get_etdump_data();
  if (result.buf == nullptr || result.size == 0) throw Failure(kModel, "the runtime recorded no trace");
  const auto* bytes = static_cast<const std::uint8_t*>(result.buf);
  Bytes trace(bytes, bytes + result.size);
  std::free(result.buf);
  return trace;
}

void check_finite(const std::vector<View>& outputs) {
  for (const View& view : outputs) {
    if (first_not_finite(*view.spec->dtype, view.data, view.count()) != view.count()) {
      throw Failure(kModel, "output " + view.spec->name + " is not finite");
    }
  }
}

std::vector<std::string> registered_backends() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < et::get_num_registered_backends(); ++i) {
    const auto name = et::get_backend_name(i);
    if (name.ok()) names.emplace_back(*name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> registered_kernels() {
  std::vector<std::string> names;
  for (const et::Kernel& kernel : et::get_registered_kernels()) names.emplace_back(kernel.name_);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}
